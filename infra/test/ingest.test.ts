import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findStage, models } from '../lib/config';
import { validateConfig } from '../lib/validation';
import { grants, render, resources, synth } from './support';

const views = [{ name: 'card_stats' }, { name: 'user_stats', layout: 'native' }, { layout: 'feast', table: 'a.b' }];
const prod = synth({ featureViews: views });
const local = synth({ featureViews: views, stage: findStage('local') });
const { ingest } = findStage('prod');

describe('feature files', () => {
  const [name, ...others] = Object.keys(resources(prod.data, 'AWS::S3::Bucket')).filter(
    (id) => id !== 'ArtifactBucket',
  );
  const bucket = resources(prod.data, 'AWS::S3::Bucket').FeatureFilesBucket;

  test('are in a bucket that is encrypted, private and refuses requests without TLS', () => {
    assert.deepEqual([name, others], ['FeatureFilesBucket', []]);
    assert.deepEqual(bucket?.Properties.BucketEncryption.ServerSideEncryptionConfiguration, [
      { ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } },
    ]);
    assert.deepEqual(bucket?.Properties.PublicAccessBlockConfiguration, {
      BlockPublicAcls: true,
      BlockPublicPolicy: true,
      IgnorePublicAcls: true,
      RestrictPublicBuckets: true,
    });
    const policy = resources(prod.data, 'AWS::S3::BucketPolicy').FeatureFilesBucketPolicy?.Properties;
    assert.deepEqual(policy.PolicyDocument.Statement[0].Condition, { Bool: { 'aws:SecureTransport': 'false' } });
  });

  test('stay, and what is rejected of them goes', () => {
    assert.deepEqual(bucket?.Properties.LifecycleConfiguration.Rules, [
      { Id: 'expire-rejects', Prefix: 'rejects/', Status: 'Enabled', ExpirationInDays: ingest.rejectRetentionDays },
      { Id: 'abort-uploads', Status: 'Enabled', AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 } },
    ]);
  });

  test('are told to the queue by the bucket itself, which waits for the queue to let it in', () => {
    const [configuration, ...others] = bucket?.Properties.NotificationConfiguration.QueueConfigurations ?? [];
    assert.deepEqual(others, []);
    assert.equal(configuration.Event, 's3:ObjectCreated:*');
    assert.deepEqual(configuration.Filter.S3Key.Rules, [{ Name: 'prefix', Value: 'snapshots/' }]);
    assert.equal(render(configuration.Queue, prod), '${FeatureFilesQueue.Arn}');
    const [policyId] = Object.entries(prod.data.findResources('AWS::SQS::QueuePolicy')).flatMap(([id, policy]) =>
      render(policy.Properties.Queues[0], prod) === '${FeatureFilesQueue}' ? [id] : [],
    );
    assert.ok(policyId !== undefined && bucket?.DependsOn?.includes(policyId));
    prod.data.resourceCountIs('AWS::Lambda::Function', 0);
  });

  test('of this bucket and account only may be told to the queue', () => {
    const policy = resources(prod.data, 'AWS::SQS::QueuePolicy').FeatureFilesQueuePolicy?.Properties;
    const [denied, allowed, ...others] = policy.PolicyDocument.Statement;
    assert.deepEqual(others, []);
    assert.deepEqual(denied.Condition, { Bool: { 'aws:SecureTransport': 'false' } });
    assert.deepEqual([allowed.Effect, allowed.Action], ['Allow', 'sqs:SendMessage']);
    assert.deepEqual(allowed.Principal, { Service: 's3.amazonaws.com' });
    const source = render(allowed.Condition.ArnEquals['aws:SourceArn'], prod);
    assert.equal(source, `arn:\${AWS::Partition}:s3:::${render(bucket?.Properties.BucketName, prod)}`);
    assert.equal(render(allowed.Condition.StringEquals['aws:SourceAccount'], prod), '${AWS::AccountId}');
  });

  test('that fail five times go to the dead letters, and are hidden for six invocations', () => {
    const queues = resources(prod.data, 'AWS::SQS::Queue');
    assert.deepEqual(Object.keys(queues).sort(), ['FeatureFilesDeadLetterQueue', 'FeatureFilesQueue']);
    const queue = queues.FeatureFilesQueue?.Properties;
    assert.equal(queue.RedrivePolicy.maxReceiveCount, 5);
    assert.equal(render(queue.RedrivePolicy.deadLetterTargetArn, prod), '${FeatureFilesDeadLetterQueue.Arn}');
    assert.ok(queue.VisibilityTimeout >= 6 * ingest.timeoutSeconds);
    for (const { Properties } of Object.values(queues)) {
      assert.equal(Properties.SqsManagedSseEnabled, true);
    }
  });
});

describe('the function that loads them', () => {
  const lambda = resources(prod.serving, 'AWS::Lambda::Function').FeatureIngestFunction?.Properties;

  test('knows the models of every view, and may call itself through its queue', () => {
    const variables = Object.entries(lambda.Environment.Variables).map(([name, value]) => [name, render(value, prod)]);
    assert.deepEqual(Object.fromEntries(variables), {
      SARDONYX_ARTIFACT_BUCKET: '${Data.ArtifactBucket}',
      SARDONYX_FEATURE_TABLE: '${Data.FeatureTable}',
      SARDONYX_INGEST_QUEUE_URL: '${Data.FeatureFilesQueue}',
      SARDONYX_METRICS_NAMESPACE: 'Sardonyx/prod',
      SARDONYX_ROWS_PER_SECOND: String(ingest.rowsPerSecond),
      SARDONYX_VIEWS: models.flatMap(({ name }) => [`card_stats=${name}/3`, `user_stats=${name}/3`]).join(','),
    });
    assert.equal(lambda.RecursiveLoop, 'Allow');
    assert.deepEqual([lambda.Timeout, lambda.MemorySize], [ingest.timeoutSeconds, ingest.memoryMegabytes]);
    assert.deepEqual(lambda.Architectures, ['arm64']);
  });

  test('reads manifests and files, writes rejects, rows and records, and nothing else', () => {
    const role = resources(prod.serving, 'AWS::IAM::Role').FeatureIngestRole;
    const bucket = resources(prod.data, 'AWS::S3::Bucket').FeatureFilesBucket?.Properties.BucketName;
    const files = `arn:\${AWS::Partition}:s3:::${render(bucket, prod)}`;
    assert.deepEqual(
      grants(role, prod),
      [
        'dynamodb:BatchWriteItem on ${Data.FeatureTable.Arn}',
        'dynamodb:GetItem on ${Data.FeatureTable.Arn}',
        'dynamodb:PutItem on ${Data.FeatureTable.Arn}',
        'logs:CreateLogStream on ${FeatureIngestLogGroup.Arn}',
        'logs:PutLogEvents on ${FeatureIngestLogGroup.Arn}',
        ...models.map(({ name }) => `s3:GetObject on \${Data.ArtifactBucket.Arn}/models/${name}/3/manifest.json`),
        `s3:GetObject on ${files}/snapshots/*`,
        `s3:PutObject on ${files}/rejects/*`,
        'sqs:DeleteMessage on ${Data.FeatureFilesQueue.Arn}',
        'sqs:GetQueueAttributes on ${Data.FeatureFilesQueue.Arn}',
        'sqs:ReceiveMessage on ${Data.FeatureFilesQueue.Arn}',
        'sqs:SendMessage on ${Data.FeatureFilesQueue.Arn}',
      ].sort(),
    );
  });

  test('takes one file at a time, and a few files at once', () => {
    const mapping = resources(prod.serving, 'AWS::Lambda::EventSourceMapping').FeatureIngestQueueMapping?.Properties;
    assert.equal(mapping.BatchSize, 1);
    assert.deepEqual(mapping.ScalingConfig, { MaximumConcurrency: ingest.maxConcurrency });
    assert.deepEqual(mapping.FunctionResponseTypes, ['ReportBatchItemFailures']);
    assert.equal(render(mapping.EventSourceArn, prod), '${Data.FeatureFilesQueue.Arn}');
  });

  test('takes several invocations for some thousand rows in the local stage', () => {
    const lambda = resources(local.serving, 'AWS::Lambda::Function').FeatureIngestFunction?.Properties;
    assert.equal(lambda.Environment.Variables.SARDONYX_MAX_ROWS_PER_INVOCATION, '1000');
  });

  test('has a configuration that is refused when it cannot work', () => {
    const stage = findStage('prod');
    for (const [change, reason] of [
      [{ timeoutSeconds: 5 }, /ingest\.timeoutSeconds must be 20/],
      [{ timeoutSeconds: 901 }, /to 900/],
      [{ reservedConcurrency: 1 }, /ingest\.reservedConcurrency must not be below/],
      [{ rowsPerSecond: 0 }, /ingest\.rowsPerSecond must be a whole number/],
      [{ maxRejectedRows: -1 }, /ingest\.maxRejectedRows must be a whole number of at least 0/],
    ] as const) {
      assert.throws(() => validateConfig({ ...stage, ingest: { ...ingest, ...change } }, models), reason);
    }
  });
});
