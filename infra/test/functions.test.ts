import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findStage, type ModelConfig, models } from '../lib/config';
import { hostArchitecture } from '../lib/function-code';
import { pascalCase } from '../lib/stacks/serving';
import { render, resources, synth } from './support';

const prod = synth();
const local = synth({ stage: findStage('local') });
const functions = resources(prod.serving, 'AWS::Lambda::Function');

test('every model has an API function and a queue function, and there is one more that loads features', () => {
  const expected = models.flatMap(({ name }) => [`${pascalCase(name)}ApiFunction`, `${pascalCase(name)}QueueFunction`]);
  expected.push('FeatureIngestFunction');
  assert.deepEqual(Object.keys(functions).sort(), expected.sort());
});

for (const model of models) {
  describe(model.name, () => {
    const id = pascalCase(model.name);
    const api = functions[`${id}ApiFunction`]?.Properties;
    const queue = functions[`${id}QueueFunction`]?.Properties;

    test('runs one artifact as both functions, on arm64', () => {
      assert.deepEqual(api.Code, queue.Code);
      for (const properties of [api, queue]) {
        assert.equal(properties.Runtime, 'provided.al2023');
        assert.equal(properties.Handler, 'bootstrap');
        assert.deepEqual(properties.Architectures, ['arm64']);
      }
    });

    test('sizes each function by its configuration', () => {
      for (const [properties, config] of [
        [api, model.api],
        [queue, model.queue],
      ]) {
        assert.equal(properties.MemorySize, config.memoryMegabytes);
        assert.equal(properties.Timeout, config.timeoutSeconds);
        assert.equal(properties.ReservedConcurrentExecutions, config.reservedConcurrency);
      }
    });

    test('gets exactly the documented environment', () => {
      const common = {
        SARDONYX_MODEL_NAME: model.name,
        SARDONYX_MODEL_VERSION: '3',
        SARDONYX_ARTIFACT_BUCKET: '${Data.ArtifactBucket}',
        SARDONYX_FEATURE_TABLE: '${Data.FeatureTable}',
        SARDONYX_METRICS_NAMESPACE: 'Sardonyx/prod',
      };
      assert.deepEqual(environment(api), common);
      assert.deepEqual(environment(queue), {
        ...common,
        SARDONYX_RESULT_TABLE: '${Data.ResultTable}',
        SARDONYX_RESULT_TTL_SECONDS: String(model.queue.resultTtlSeconds),
      });
    });

    test('logs JSON into a log group of its own that expires', () => {
      const logGroups = resources(prod.serving, 'AWS::Logs::LogGroup');
      for (const [name, properties] of [
        [`${id}ApiLogGroup`, api],
        [`${id}QueueLogGroup`, queue],
      ]) {
        assert.equal(render(properties.LoggingConfig.LogGroup, prod), `\${${name}}`);
        assert.equal(properties.LoggingConfig.LogFormat, 'JSON');
        assert.equal(properties.LoggingConfig.ApplicationLogLevel, 'INFO');
        assert.equal(logGroups[name]?.Properties.RetentionInDays, 90);
      }
    });

    test('publishes both functions under the alias "live"', () => {
      const aliases = resources(prod.serving, 'AWS::Lambda::Alias');
      for (const trigger of ['Api', 'Queue']) {
        const alias = aliases[`${id}${trigger}LiveAlias`]?.Properties;
        assert.equal(alias.Name, 'live');
        assert.equal(render(alias.FunctionName, prod), `\${${id}${trigger}Function}`);
        assert.match(
          render(alias.FunctionVersion, prod),
          new RegExp(`${id}${trigger}FunctionCurrentVersion.*\\.Version`),
        );
      }
    });
  });
}

test('the local stage builds for the host', () => {
  for (const { Properties } of Object.values(resources(local.serving, 'AWS::Lambda::Function'))) {
    assert.deepEqual(Properties.Architectures, [hostArchitecture.name]);
  }
});

test('reserved concurrency is applied when it is configured', () => {
  const [first] = models as readonly [ModelConfig];
  const limited = { ...first, api: { ...first.api, reservedConcurrency: 7 } };
  const api = resources(synth({ models: [limited] }).serving, 'AWS::Lambda::Function').FraudDetectionApiFunction;
  assert.equal(api?.Properties.ReservedConcurrentExecutions, 7);
});

test('limits become variables of the function that has them, and only those that are set', () => {
  const [first] = models as readonly [ModelConfig];
  const limited = {
    ...first,
    api: { ...first.api, limits: { maxBodyBytes: 2_000_000, maxInstances: 64, fetchTimeoutMilliseconds: 250 } },
    queue: { ...first.queue, limits: { fetchTimeoutMilliseconds: 500 } },
  };
  const deployed = resources(synth({ models: [limited] }).serving, 'AWS::Lambda::Function');
  const added = (id: string) => {
    const before = environment(functions[id]?.Properties);
    const after = environment(deployed[id]?.Properties);
    return Object.fromEntries(Object.entries(after).filter(([name]) => !(name in before)));
  };
  assert.deepEqual(added('FraudDetectionApiFunction'), {
    SARDONYX_MAX_BODY_BYTES: '2000000',
    SARDONYX_MAX_INSTANCES: '64',
    SARDONYX_FETCH_TIMEOUT_MILLISECONDS: '250',
  });
  assert.deepEqual(added('FraudDetectionQueueFunction'), { SARDONYX_FETCH_TIMEOUT_MILLISECONDS: '500' });
});

function environment(properties: { Environment: { Variables: Record<string, unknown> } }): Record<string, string> {
  return Object.fromEntries(
    Object.entries(properties.Environment.Variables).map(([name, value]) => [name, render(value, prod)]),
  );
}
