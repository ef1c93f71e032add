import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { findStage, type ModelConfig, models, stages } from '../lib/config';
import { readModelManifest } from '../lib/manifest';
import { validateConfig, validateEndpoint } from '../lib/validation';
import { resources, synth, temporaryDirectory, writeManifest } from './support';

const [first] = models as readonly [ModelConfig];

describe('another model', () => {
  test('needs one entry in the list', () => {
    const { serving } = synth({ models: [...models, { ...first, name: 'churn-risk' }] });
    for (const [type, ids] of Object.entries({
      'AWS::Lambda::Function': ['ChurnRiskApiFunction', 'ChurnRiskQueueFunction'],
      'AWS::Lambda::EventSourceMapping': ['ChurnRiskQueueMapping'],
      'AWS::SQS::Queue': ['ChurnRiskMessageQueue', 'ChurnRiskDeadLetterQueue'],
      'AWS::CloudWatch::Alarm': ['AlarmsChurnRiskLatencyP99', 'AlarmsChurnRiskDeadLetters'],
    })) {
      const known = Object.keys(resources(serving, type));
      for (const id of ids) {
        assert.ok(known.includes(id), id);
      }
    }
    const routes = Object.values(resources(serving, 'AWS::ApiGatewayV2::Route')).map((r) => r.Properties.RouteKey);
    assert.ok(routes.includes('ANY /v1/models/churn-risk:predict'));
    assert.ok(serving.toJSON().Outputs.ChurnRiskQueueUrl);
  });

  test('leaves the data stack and the other models as they are', () => {
    const before = synth();
    const after = synth({ models: [...models, { ...first, name: 'churn-risk' }] });
    assert.deepEqual(after.data.toJSON(), before.data.toJSON());
    const afterResources = after.serving.toJSON().Resources;
    for (const [id, resource] of Object.entries<{ Type: string }>(before.serving.toJSON().Resources)) {
      // What loads features reads the manifest of every model.
      if (resource.Type !== 'AWS::CloudWatch::Dashboard' && !id.startsWith('FeatureIngest')) {
        assert.deepEqual(afterResources[id], resource, id);
      }
    }
  });
});

describe('validation', () => {
  const prod = findStage('prod');
  const withModel = (changes: Partial<ModelConfig>) => () => validateConfig(prod, [{ ...first, ...changes }]);

  test('accepts what is configured', () => {
    for (const stage of stages) {
      validateConfig(stage, models);
    }
  });

  test('names the model and what is wrong with it', () => {
    assert.throws(() => validateConfig(prod, []), /"models" is empty/);
    assert.throws(() => validateConfig(prod, [first, first]), /model "fraud-detection": is listed twice/);
    assert.throws(withModel({ name: 'Fraud_Detection' }), /names are words of lower-case letters/);
    assert.throws(withModel({ api: { ...first.api, timeoutSeconds: 30 } }), /api\.timeoutSeconds must be below 30/);
    assert.throws(
      withModel({ queue: { ...first.queue, batchSize: 11, batchWindowSeconds: 0 } }),
      /needs a queue\.batchWindowSeconds of at least 1/,
    );
    assert.throws(
      withModel({ queue: { ...first.queue, maxConcurrency: 5, reservedConcurrency: 4 } }),
      /must not be below queue\.maxConcurrency/,
    );
  });

  test('names the limit that is not a whole number above 0', () => {
    for (const limit of ['maxBodyBytes', 'maxInstances', 'fetchTimeoutMilliseconds']) {
      for (const wrong of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 1e21]) {
        const limits = { [limit]: wrong };
        const message = (trigger: string) =>
          `model "fraud-detection": ${trigger}.limits.${limit} must be a whole number above 0, not ${wrong}`;
        assert.throws(withModel({ api: { ...first.api, limits } }), { message: message('api') });
        assert.throws(withModel({ queue: { ...first.queue, limits } }), { message: message('queue') });
      }
      withModel({ api: { ...first.api, limits: { [limit]: 1 } } })();
    }
  });

  test('names the stage and what is wrong with it', () => {
    const jwt = { type: 'jwt', issuer: 'https://issuer.example.com', audience: [] } as const;
    assert.throws(() => validateConfig({ ...prod, authorization: jwt }, models), /stage "prod": a JWT authorizer/);
    const redelivery = { ...prod.redelivery, visibilityTimeoutFactor: 5 };
    assert.throws(() => validateConfig({ ...prod, redelivery }, models), /at least 6 times the function timeout/);
    assert.throws(() => findStage('staging'), /unknown stage "staging"; lib\/config\.ts has: local, dev, prod/);
  });
});

describe('endpoint', () => {
  const local = findStage('local');

  test('of a local stage is on loopback', () => {
    for (const host of ['127.0.0.1', '127.255.0.9', 'localhost', '[::1]', 'LOCALHOST', '[0:0:0:0:0:0:0:1]']) {
      validateEndpoint(local, `http://${host}`);
      validateEndpoint(local, `http://${host}:4566`);
      validateEndpoint(local, `https://${host}:4566/path`);
    }
  });

  test('of a local stage is refused anywhere else, with what to do', () => {
    const advice = /use "make run", or another stage: -c stage=dev$/;
    for (const url of [undefined, '']) {
      assert.throws(
        () => validateEndpoint(local, url),
        /stage "local": has an open API.* AWS_ENDPOINT_URL.* is not set/,
      );
      assert.throws(() => validateEndpoint(local, url), advice);
    }
    for (const url of [
      'https://sts.eu-west-1.amazonaws.com',
      'http://10.0.0.1:4566',
      'http://0.0.0.0:4566',
      'http://128.0.0.1',
      'http://[::]:4566',
      'http://[::2]:4566',
      'http://127.0.0.1.example.com',
      'http://localhost.example.com',
      'http://127.0.0.1@example.com',
      'http://example.com/127.0.0.1',
      'http://example.com#localhost',
      'ftp://127.0.0.1',
      '127.0.0.1:4566',
      'localhost:4566',
      'localhost',
    ]) {
      assert.throws(() => validateEndpoint(local, url), advice, url);
      assert.throws(
        () => validateEndpoint(local, url),
        (error: Error) => error.message.includes(`"${url}"`),
      );
    }
  });

  test('of any other stage is not looked at', () => {
    for (const stage of stages.filter((candidate) => !candidate.local)) {
      validateEndpoint(stage, undefined);
      validateEndpoint(stage, 'https://example.com');
    }
  });
});

describe('manifest', () => {
  const read = (manifest: unknown) => () => {
    const directory = temporaryDirectory();
    writeManifest(directory, 'm', manifest);
    return readModelManifest(directory, 'm');
  };
  const valid = { name: 'm', version: '1.2', artifact: { file: 'model.onnx' } };

  test('gives the version and the artifact file', () => {
    assert.deepEqual(read(valid)(), {
      name: 'm',
      version: '1.2',
      artifactFile: 'model.onnx',
      feastTables: [],
      nativeViews: [],
      ranksOffers: false,
    });
    assert.equal(read({ ...valid, catalogue: { name: 'offers' } })().ranksOffers, true);
  });

  test('gives the tables of the views that Feast materialises, each once', () => {
    const views = ['b.y', 'a.x', 'b.y'].map((table) => ({ layout: 'feast', table }));
    const { feastTables, nativeViews } = read({
      ...valid,
      feature_views: [...views, { name: 'n', layout: 'native' }, { name: 'o' }],
    })();
    assert.deepEqual(feastTables, ['a.x', 'b.y']);
    assert.deepEqual(nativeViews, ['n', 'o']);
  });

  test('is there for every model of the list', () => {
    for (const { name } of models) {
      assert.equal(readModelManifest(join(__dirname, '..', '..', 'functions'), name).name, name);
    }
  });

  test('is refused with its path and the reason', () => {
    assert.throws(
      () => readModelManifest(temporaryDirectory(), 'm'),
      /m\/model\/manifest\.json: cannot be read.*make train MODEL=m/,
    );
    assert.throws(read('{'), /m\/model\/manifest\.json: is not JSON/);
    assert.throws(read('3'), /is not a JSON object/);
    assert.throws(read({ ...valid, name: 'other' }), /"name" is "other", but lib\/config\.ts calls the model "m"/);
    assert.throws(read({ ...valid, version: 1 }), /"version" must be a string .* got 1/);
    assert.throws(read({ ...valid, version: '../2' }), /"version" must be a string/);
    assert.throws(read({ ...valid, version: '*' }), /"version" must be a string/);
    for (const table of [undefined, '*', 'a/b', 'ab']) {
      const views = [
        { name: 'n', layout: 'native' },
        { layout: 'feast', table },
      ];
      assert.throws(read({ ...valid, feature_views: views }), /"feature_views\[1\]\.table" must be the name/);
    }
    for (const name of [undefined, '', 'a,b', 'a=b']) {
      assert.throws(read({ ...valid, feature_views: [{ name }] }), /"feature_views\[0\]\.name" must be a string of/);
    }
    assert.throws(read({ ...valid, feature_views: 3 }), /"feature_views" must be a list/);
    assert.throws(read({ name: 'm', version: '1' }), /"artifact\.file" must be a string .* got undefined/);
  });
});
