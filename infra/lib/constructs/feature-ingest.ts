import { Stack, Validations } from 'aws-cdk-lib';
import type { ITableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { type Architecture, type Code, EventSourceMapping, RecursiveLoop } from 'aws-cdk-lib/aws-lambda';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { INGEST_FUNCTION, type StageConfig } from '../config';
import type { ModelManifest } from '../manifest';
import { BinaryFunction } from './binary-function';
import { type FeatureFiles, REJECTS, SNAPSHOTS } from './feature-files';
import { setVariables } from './model-function';

export interface FeatureIngestProps {
  readonly stage: StageConfig;
  readonly architecture: Architecture;
  readonly code: Code;
  /** Of all models: what they demand of a view is what its rows have to satisfy. */
  readonly manifests: readonly ModelManifest[];
  readonly files: FeatureFiles;
  readonly artifactBucket: IBucket;
  readonly featureTable: ITableV2;
}

/** Loads files of feature rows that land in the bucket, each as a snapshot of its view. */
export class FeatureIngest extends Construct {
  readonly files: FeatureFiles;
  readonly function: BinaryFunction;

  constructor(scope: Construct, id: string, props: FeatureIngestProps) {
    super(scope, id);
    const { stage, files, artifactBucket, featureTable } = props;
    const config = stage.ingest;
    const readable = `${files.bucketArn}/${SNAPSHOTS}*`;
    const writable = `${files.bucketArn}/${REJECTS}*`;
    this.files = files;
    this.function = new BinaryFunction(this, 'Ingest', {
      ...props,
      config,
      description: `${INGEST_FUNCTION}: files of feature rows to snapshots`,
      // A file that takes more than one invocation is continued by a message to the function's own queue. Lambda would take
      // that for a mistake after some sixteen of them.
      recursiveLoop: RecursiveLoop.ALLOW,
      environment: {
        SARDONYX_ARTIFACT_BUCKET: artifactBucket.bucketName,
        SARDONYX_FEATURE_TABLE: featureTable.tableName,
        SARDONYX_INGEST_QUEUE_URL: files.queue.queueUrl,
        SARDONYX_VIEWS: props.manifests.flatMap(viewsOf).join(','),
        ...setVariables({
          SARDONYX_ROWS_PER_SECOND: config.rowsPerSecond,
          SARDONYX_MAX_REJECTED_ROWS: config.maxRejectedRows,
          SARDONYX_MAX_ROWS_PER_INVOCATION: config.maxRowsPerInvocation,
          SARDONYX_ROW_TTL_SECONDS: config.rowTtlSeconds,
        }),
      },
      permissions: {
        ReadManifests: new PolicyStatement({
          actions: ['s3:GetObject'],
          resources: props.manifests.map(({ name, version }) =>
            artifactBucket.arnForObjects(`models/${name}/${version}/manifest.json`),
          ),
        }),
        ReadFiles: new PolicyStatement({
          actions: ['s3:GetObject'],
          resources: [readable],
        }),
        WriteRejects: new PolicyStatement({
          actions: ['s3:PutObject'],
          resources: [writable],
        }),
        WriteFeatures: new PolicyStatement({
          // The rows, those that are merged, and the view's record.
          actions: ['dynamodb:BatchWriteItem', 'dynamodb:PutItem', 'dynamodb:GetItem'],
          resources: [featureTable.tableArn],
        }),
        ConsumeAndContinue: new PolicyStatement({
          actions: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:SendMessage'],
          resources: [files.queue.queueArn],
        }),
      },
    });
    for (const resource of [readable, writable]) {
      Validations.of(this.function).acknowledge({
        id: `AwsSolutions-IAM5[Resource::${shown(Stack.of(this), resource)}]`,
        reason: 'The names of files are chosen by whoever drops them, and those of rejects say which file they are of.',
      });
    }
    new EventSourceMapping(this, 'QueueMapping', {
      target: this.function.alias,
      eventSourceArn: files.queue.queueArn,
      // A file takes as long as an invocation lasts.
      batchSize: 1,
      maxConcurrency: config.maxConcurrency,
      reportBatchItemFailures: true,
    });
  }
}

/** As cdk-nag writes a resource: each pseudo parameter as `<AWS::…>`. */
function shown(stack: Stack, resource: string): string {
  const parts: (string | { Ref: string })[] = stack.resolve(resource)['Fn::Join'][1];
  return parts.map((part) => (typeof part === 'string' ? part : `<${part.Ref}>`)).join('');
}

function viewsOf({ name, version, nativeViews }: ModelManifest): string[] {
  return nativeViews.map((view) => `${view}=${name}/${version}`);
}
