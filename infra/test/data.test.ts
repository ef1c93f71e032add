import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findStage } from '../lib/config';
import { resources, synth } from './support';

const prod = synth();
const local = synth({ stage: findStage('local') });

describe('tables', () => {
  const tables = resources(prod.data, 'AWS::DynamoDB::GlobalTable');

  test('have the keys that the online store and the result store use', () => {
    assert.deepEqual(Object.keys(tables).sort(), ['FeatureTable', 'ResultTable']);
    assert.deepEqual(tables.FeatureTable?.Properties.KeySchema, [{ AttributeName: 'entity_key', KeyType: 'HASH' }]);
    assert.deepEqual(tables.ResultTable?.Properties.KeySchema, [
      { AttributeName: 'prediction_id', KeyType: 'HASH' },
      { AttributeName: 'model_name', KeyType: 'RANGE' },
    ]);
  });

  for (const [name, { Properties: table }] of Object.entries(tables)) {
    test(`${name} is on demand, expires items, is encrypted and recoverable`, () => {
      assert.equal(table.BillingMode, 'PAY_PER_REQUEST');
      assert.deepEqual(table.TimeToLiveSpecification, { AttributeName: 'expires_at', Enabled: true });
      assert.deepEqual(table.SSESpecification, { SSEEnabled: true, SSEType: 'KMS' });
      assert.equal(table.Replicas.length, 1);
      assert.deepEqual(table.Replicas[0].PointInTimeRecoverySpecification, { PointInTimeRecoveryEnabled: true });
    });
  }
});

describe('artifact bucket', () => {
  const bucket = resources(prod.data, 'AWS::S3::Bucket').ArtifactBucket?.Properties;

  test('is versioned, encrypted and private', () => {
    assert.deepEqual(bucket.VersioningConfiguration, { Status: 'Enabled' });
    assert.deepEqual(bucket.BucketEncryption.ServerSideEncryptionConfiguration, [
      { ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } },
    ]);
    assert.deepEqual(bucket.PublicAccessBlockConfiguration, {
      BlockPublicAcls: true,
      BlockPublicPolicy: true,
      IgnorePublicAcls: true,
      RestrictPublicBuckets: true,
    });
    assert.deepEqual(bucket.OwnershipControls.Rules, [{ ObjectOwnership: 'BucketOwnerEnforced' }]);
  });

  test('expires overwritten artifacts only', () => {
    assert.deepEqual(bucket.LifecycleConfiguration.Rules, [
      {
        Id: 'expire-overwritten-artifacts',
        Status: 'Enabled',
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
        NoncurrentVersionExpiration: { NoncurrentDays: 90 },
      },
    ]);
  });

  test('refuses requests without TLS', () => {
    const [policy] = Object.values(resources(prod.data, 'AWS::S3::BucketPolicy'));
    const [statement] = policy?.Properties.PolicyDocument.Statement ?? [];
    assert.equal(statement.Effect, 'Deny');
    assert.equal(statement.Action, 's3:*');
    assert.deepEqual(statement.Condition, { Bool: { 'aws:SecureTransport': 'false' } });
  });
});

describe('data outlives its stack', () => {
  const stateful = (template: typeof prod.data) =>
    Object.entries({
      ...resources(template, 'AWS::DynamoDB::GlobalTable'),
      ...resources(template, 'AWS::S3::Bucket'),
    });

  test('in a secured stage', () => {
    assert.equal(prod.stacks.data.terminationProtection, true);
    for (const [name, resource] of stateful(prod.data)) {
      assert.equal(resource.DeletionPolicy, 'RetainExceptOnCreate', name);
    }
    for (const [name, table] of Object.entries(resources(prod.data, 'AWS::DynamoDB::GlobalTable'))) {
      assert.equal(table.Properties.Replicas[0].DeletionProtectionEnabled, true, name);
    }
  });

  test('but not in the local stage', () => {
    assert.equal(local.stacks.data.terminationProtection, false);
    for (const [name, resource] of stateful(local.data)) {
      assert.equal(resource.DeletionPolicy, 'Delete', name);
    }
    for (const [name, table] of Object.entries(resources(local.data, 'AWS::DynamoDB::GlobalTable'))) {
      assert.equal(table.Properties.Replicas[0].DeletionProtectionEnabled, false, name);
    }
  });
});

test('outputs name what the tools need', () => {
  for (const [output, target] of [
    ['ArtifactBucketName', /^ArtifactBucket/],
    ['FeatureTableName', /^FeatureTable/],
    ['ResultTableName', /^ResultTable/],
  ] as const) {
    assert.match(prod.data.toJSON().Outputs[output].Value.Ref, target);
  }
});
