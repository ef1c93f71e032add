// The peer `node` of the benchmarks: a model served with ONNX Runtime, as one writes it for Node.
//
// It reads the same artifact, the same rows and the same events as Sardonyx's functions. Models have one input of floats.
// An integer key above 2^53 is what JSON.parse makes of it: the nearest double.

import { setTimeout as sleep } from 'node:timers/promises';
import { BatchGetItemCommand, BatchWriteItemCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { serve } from './runtime.mjs';

const KEYS_PER_READ = 100;
const ITEMS_PER_WRITE = 25;
const CALLS_IN_FLIGHT = 16;
const KEPT_SECONDS = 30 * 24 * 3600;
const HEADERS = { 'content-type': 'application/json' };
// A row: the version of its format, the schema's fingerprint, two bits for each feature, the values that there are.
const HEADER_BYTES = 9;
const VALUE = 2;

const {
  SARDONYX_MODEL_NAME: modelName,
  SARDONYX_MODEL_VERSION: modelVersion,
  SARDONYX_ARTIFACT_BUCKET: bucket,
  SARDONYX_FEATURE_TABLE: featureTable,
  SARDONYX_RESULT_TABLE: resultTable,
} = process.env;

const s3 = new S3Client({ forcePathStyle: true });
const dynamodb = new DynamoDBClient({});

async function artifact(file) {
  const Key = `models/${modelName}/${modelVersion}/${file}`;
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key }));
  return Body.transformToByteArray();
}

// How a feature's value becomes a float, and what stands there without one.
function encoder({ categories, missing: policy }) {
  const fallback = policy.default;
  if (categories) {
    const codes = new Map(categories.map((category, index) => [category, index]));
    const missing = codes.get(fallback) ?? NaN;
    return { encode: (value) => codes.get(value) ?? missing, missing };
  }
  // A feature with a default takes no NaN either.
  const missing = fallback === undefined ? NaN : Number(fallback);
  return {
    encode(value) {
      const number = Number(value);
      return Number.isNaN(number) ? missing : number;
    },
    missing,
  };
}

const manifest = JSON.parse(Buffer.from(await artifact('manifest.json')).toString());
// A function has less than two cores up to 3.5 GB of memory, and a batch is a few rows.
const session = await InferenceSession.create(await artifact(manifest.artifact.file), {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
});
const [input] = manifest.inputs;
const output = manifest.outputs.find(({ role }) => role === 'probabilities' || role === 'score').name;
const width = input.features.length;
const columns = new Map(
  input.features.map((feature, column) => [feature.name, { column, name: feature.name, ...encoder(feature) }]),
);
const defaults = Float32Array.from(columns.values(), ({ missing }) => missing);
const requestColumns = input.features.filter(({ source }) => source === 'request').map(({ name }) => columns.get(name));
const views = manifest.feature_views.map((view) => ({
  name: view.name,
  joinKeys: view.join_keys.map(({ name }) => name),
  // A stored feature that the model does not take has no column, but its place in the row.
  features: view.features.map(({ name, type }) => ({ type, target: columns.get(name) })),
}));

await serve(async (event) => {
  if (event.Records) return record(event.Records);
  const body = event.isBase64Encoded ? Buffer.from(event.body, 'base64').toString() : event.body;
  const scores = await predict(JSON.parse(body).instances);
  const predictions = Array.from(scores, (score) => ({ score }));
  return { statusCode: 200, headers: HEADERS, body: JSON.stringify({ predictions }) };
});

async function record(records) {
  const ids = [];
  const instances = [];
  const batchItemFailures = [];
  for (const { messageId, body } of records) {
    try {
      const { id = messageId, instance } = JSON.parse(body);
      keys(instance);
      ids.push(id);
      instances.push(instance);
    } catch {
      batchItemFailures.push({ itemIdentifier: messageId });
    }
  }
  if (instances.length > 0) await write(ids, await predict(instances));
  return { batchItemFailures };
}

// Puts the predictions. BatchWriteItem takes no condition: one that is there already is replaced.
async function write(ids, scores) {
  const now = Date.now();
  const common = {
    model_name: { S: modelName },
    model_version: { S: modelVersion },
    recorded_at: { N: String(now) },
    expires_at: { N: String(Math.floor(now / 1000) + KEPT_SECONDS) },
  };
  // One call must not name an item twice.
  const predictions = new Map(ids.map((id, index) => [id, scores[index]]));
  const puts = Array.from(predictions, ([id, score]) => ({
    PutRequest: {
      Item: { prediction_id: { S: id }, prediction: { S: JSON.stringify({ score }) }, ...common },
    },
  }));
  await inFlight(chunks(puts, ITEMS_PER_WRITE), async (chunk) => {
    let pending = { [resultTable]: chunk };
    for (let pause = 50; ; pause *= 2) {
      const answer = await dynamodb.send(new BatchWriteItemCommand({ RequestItems: pending }));
      pending = answer.UnprocessedItems ?? {};
      if (Object.keys(pending).length === 0) return;
      await sleep(pause);
    }
  });
}

// The scores of all instances, by one inference.
async function predict(instances) {
  const keysOfInstances = instances.map(keys);
  const rows = await read(new Set(keysOfInstances.flat()));
  const cells = new Float32Array(instances.length * width);
  instances.forEach((instance, index) => {
    const offset = index * width;
    cells.set(defaults, offset);
    for (const { column, name, encode } of requestColumns) {
      const value = instance[name];
      if (value !== undefined && value !== null) cells[offset + column] = encode(value);
    }
    views.forEach((view, position) => {
      const packed = rows.get(keysOfInstances[index][position]);
      if (packed) unpack(view.features, packed, cells, offset);
    });
  });
  const tensor = new Tensor('float32', cells, [instances.length, width]);
  const { data } = (await session.run({ [input.name]: tensor }, [output]))[output];
  const outputs = data.length / instances.length;
  return instances.map((_, index) => data[(index + 1) * outputs - 1]);
}

// The keys of an instance's rows, one for each view.
function keys(instance) {
  return views.map(({ name, joinKeys }) => [name, ...joinKeys.map((key) => keyPart(instance[key]))].join('#'));
}

function keyPart(value) {
  if (Number.isInteger(value)) return String(value);
  return value.replaceAll('%', '%25').replaceAll('#', '%23');
}

// The packed rows that there are, by key.
async function read(wanted) {
  const rows = new Map();
  await inFlight(chunks([...wanted], KEYS_PER_READ), async (chunk) => {
    let pending = { [featureTable]: { Keys: chunk.map((key) => ({ entity_key: { S: key } })) } };
    for (let pause = 10; ; pause *= 2) {
      const answer = await dynamodb.send(new BatchGetItemCommand({ RequestItems: pending }));
      for (const { entity_key, values } of answer.Responses[featureTable] ?? []) rows.set(entity_key.S, values.B);
      pending = answer.UnprocessedKeys ?? {};
      if (Object.keys(pending).length === 0) return;
      await sleep(pause);
    }
  });
  return rows;
}

// Puts a row's values into the columns.
function unpack(features, packed, cells, offset) {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  let position = HEADER_BYTES + Math.ceil(features.length / 4);
  features.forEach(({ type, target }, index) => {
    if (((packed[HEADER_BYTES + (index >> 2)] >> (2 * (index & 3))) & 3) !== VALUE) return;
    let value;
    switch (type) {
      case 'bool':
        value = packed[position];
        position += 1;
        break;
      case 'int64':
        value = Number(view.getBigInt64(position, true));
        position += 8;
        break;
      case 'float32':
        value = view.getFloat32(position, true);
        position += 4;
        break;
      case 'float64':
        value = view.getFloat64(position, true);
        position += 8;
        break;
      default: {
        const start = position + 4;
        position = start + view.getUint32(position, true);
        value = Buffer.from(packed.buffer, packed.byteOffset + start, position - start).toString();
      }
    }
    if (target) cells[offset + target.column] = target.encode(value);
  });
}

function chunks(items, size) {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}

// Calls for each item, some at the same time.
async function inFlight(items, call) {
  const left = items.values();
  const worker = async () => {
    for (const item of left) await call(item);
  };
  await Promise.all(Array.from({ length: Math.min(CALLS_IN_FLIGHT, items.length) }, worker));
}
