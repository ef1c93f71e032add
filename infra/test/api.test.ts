import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findStage, models, type StageConfig, stages } from '../lib/config';
import { pascalCase } from '../lib/stacks/serving';
import { render, resources, type Synthesised, synth } from './support';

const prod = synth();

/** Route keys with the alias that answers each. */
function routes(templates: Synthesised): Record<string, string> {
  const integrations = resources(templates.serving, 'AWS::ApiGatewayV2::Integration');
  return Object.fromEntries(
    Object.values(resources(templates.serving, 'AWS::ApiGatewayV2::Route')).map(({ Properties }) => {
      const target = render(Properties.Target, templates).replace(/^integrations\/\$\{(.*)\}$/, '$1');
      return [Properties.RouteKey, render(integrations[target]?.Properties.IntegrationUri, templates)];
    }),
  );
}

function authorization(templates: Synthesised): string[] {
  const types = Object.values(resources(templates.serving, 'AWS::ApiGatewayV2::Route')).map(
    ({ Properties }) => Properties.AuthorizationType,
  );
  return [...new Set(types)];
}

test("each model's paths, with any method, go to its live alias, and every other path to the first model's", () => {
  const expected = models.flatMap(({ name }) =>
    [
      `ANY /v1/models/${name}:predict`,
      `ANY /v1/models/${name}`,
      `ANY /v2/models/${name}`,
      `ANY /v2/models/${name}/{proxy+}`,
    ].map((key) => [key, `\${${pascalCase(name)}ApiLiveAlias}`]),
  );
  assert.deepEqual(routes(prod), { ...Object.fromEntries(expected), $default: '${FraudDetectionApiLiveAlias}' });
});

test('integrations are Lambda proxies with payload format 2.0, one per model', () => {
  const integrations = Object.values(resources(prod.serving, 'AWS::ApiGatewayV2::Integration'));
  assert.equal(integrations.length, models.length);
  for (const { Properties } of integrations) {
    assert.equal(Properties.IntegrationType, 'AWS_PROXY');
    assert.equal(Properties.PayloadFormatVersion, '2.0');
  }
});

describe('stage', () => {
  const stage = resources(prod.serving, 'AWS::ApiGatewayV2::Stage').PredictionApiDefaultStage?.Properties;

  test('is throttled', () => {
    assert.equal(stage.StageName, '$default');
    assert.deepEqual(stage.DefaultRouteSettings, { ThrottlingBurstLimit: 1000, ThrottlingRateLimit: 500 });
  });

  test('writes access logs as JSON into a log group that expires', () => {
    assert.equal(render(stage.AccessLogSettings.DestinationArn, prod), '${PredictionApiAccessLogGroup.Arn}');
    const logGroup = resources(prod.serving, 'AWS::Logs::LogGroup').PredictionApiAccessLogGroup;
    assert.equal(logGroup?.Properties.RetentionInDays, 90);
    const format = JSON.parse(stage.AccessLogSettings.Format);
    assert.equal(format.requestId, '$context.requestId');
    assert.equal(format.status, '$context.status');
    assert.equal(format.routeKey, '$context.routeKey');
  });
});

describe('authorization', () => {
  test('the local stage is the only one that is open', () => {
    for (const stage of stages) {
      const open = authorization(synth({ stage })).includes('NONE');
      assert.equal(open, stage.name === 'local', stage.name);
      assert.equal(open, stage.local, stage.name);
    }
  });

  test('an open stage that is not local is refused', () => {
    const stage: StageConfig = { ...findStage('prod'), authorization: { type: 'open' } };
    assert.throws(() => synth({ stage }), /stage "prod": only the local stage may have an open API/);
  });

  test('without a stage, a secured one is deployed', () => {
    assert.notEqual(findStage().authorization.type, 'open');
  });

  test('IAM protects every route', () => {
    assert.deepEqual(authorization(prod), ['AWS_IAM']);
  });

  test('a JWT authorizer protects every route', () => {
    const templates = synth({
      stage: {
        ...findStage('prod'),
        authorization: { type: 'jwt', issuer: 'https://issuer.example.com', audience: ['mobile-app'] },
      },
    });
    assert.deepEqual(authorization(templates), ['JWT']);
    const [authorizer, ...others] = Object.values(resources(templates.serving, 'AWS::ApiGatewayV2::Authorizer'));
    assert.deepEqual(others, []);
    assert.equal(authorizer?.Properties.AuthorizerType, 'JWT');
    assert.deepEqual(authorizer.Properties.IdentitySource, ['$request.header.Authorization']);
    assert.deepEqual(authorizer.Properties.JwtConfiguration, {
      Issuer: 'https://issuer.example.com',
      Audience: ['mobile-app'],
    });
    for (const { Properties } of Object.values(resources(templates.serving, 'AWS::ApiGatewayV2::Route'))) {
      assert.ok(Properties.AuthorizerId, Properties.RouteKey);
    }
  });
});

test('outputs name what the tools need', () => {
  const outputs = prod.serving.toJSON().Outputs;
  assert.equal(outputs.ModelNames.Value, models.map(({ name }) => name).join(','));
  assert.equal(render(outputs.ApiId.Value, prod), '${PredictionApiHttpApi}');
  assert.match(render(outputs.ApiUrl.Value, prod), /^https:\/\/\$\{PredictionApiHttpApi\}\.execute-api\./);
  for (const { name } of models) {
    const id = pascalCase(name);
    assert.equal(render(outputs[`${id}QueueUrl`].Value, prod), `\${${id}MessageQueue}`);
    assert.equal(render(outputs[`${id}DeadLetterQueueUrl`].Value, prod), `\${${id}DeadLetterQueue}`);
    assert.equal(render(outputs[`${id}ApiFunctionName`].Value, prod), `\${${id}ApiFunction}`);
    assert.equal(render(outputs[`${id}QueueFunctionName`].Value, prod), `\${${id}QueueFunction}`);
  }
});
