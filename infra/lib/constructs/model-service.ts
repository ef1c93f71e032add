import { Duration } from 'aws-cdk-lib';
import type { ITableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { type Code, EventSourceMapping } from 'aws-cdk-lib/aws-lambda';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { ModelConfig } from '../config';
import type { ModelManifest } from '../manifest';
import { statefulRemovalPolicy } from '../removal';
import { ModelFunction, type ModelFunctionContext } from './model-function';

export interface ModelServiceProps extends ModelFunctionContext {
  readonly config: ModelConfig;
  readonly manifest: ModelManifest;
  readonly code: Code;
  readonly resultTable: ITableV2;
}

/**
 * One model: the same binary behind the API and behind a queue, as two functions, so that a flood of
 * messages cannot take the API's concurrency and each has only the permissions that it needs.
 */
export class ModelService extends Construct {
  readonly config: ModelConfig;
  readonly manifest: ModelManifest;
  readonly apiFunction: ModelFunction;
  readonly queueFunction: ModelFunction;
  readonly queue: Queue;
  readonly deadLetterQueue: Queue;

  constructor(scope: Construct, id: string, props: ModelServiceProps) {
    super(scope, id);
    this.config = props.config;
    this.manifest = props.manifest;

    this.apiFunction = new ModelFunction(this, 'Api', {
      ...props,
      config: props.config.api,
      description: 'predictions over HTTP',
    });

    this.deadLetterQueue = this.createDeadLetterQueue(props);
    this.queue = this.createQueue(props);
    this.queueFunction = new ModelFunction(this, 'Queue', {
      ...props,
      config: props.config.queue,
      description: 'predictions from a queue',
      environment: {
        SARDONYX_RESULT_TABLE: props.resultTable.tableName,
        SARDONYX_RESULT_TTL_SECONDS: String(props.config.queue.resultTtlSeconds),
      },
      permissions: {
        ConsumeQueue: new PolicyStatement({
          actions: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'],
          resources: [this.queue.queueArn],
        }),
        RecordResults: new PolicyStatement({
          actions: ['dynamodb:PartiQLInsert'],
          resources: [props.resultTable.tableArn],
        }),
      },
    });
    this.mapQueueToFunction();
  }

  private createQueue({ config, stage }: ModelServiceProps): Queue {
    const { timeoutSeconds, batchWindowSeconds } = config.queue;
    return new Queue(this, 'MessageQueue', {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      visibilityTimeout: Duration.seconds(
        stage.redelivery.visibilityTimeoutFactor * timeoutSeconds + batchWindowSeconds,
      ),
      retentionPeriod: Duration.days(4),
      deadLetterQueue: { queue: this.deadLetterQueue, maxReceiveCount: stage.redelivery.maxReceiveCount },
      removalPolicy: statefulRemovalPolicy(stage),
    });
  }

  private createDeadLetterQueue({ stage }: ModelServiceProps): Queue {
    return new Queue(this, 'DeadLetterQueue', {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      // Counted from when a message was first sent, so it must outlast the queue's own retention.
      retentionPeriod: Duration.days(14),
      removalPolicy: statefulRemovalPolicy(stage),
    });
  }

  /** Not `SqsEventSource`: its grant is wider than what Lambda's poller calls. */
  private mapQueueToFunction(): void {
    const { batchSize, batchWindowSeconds, maxConcurrency } = this.config.queue;
    new EventSourceMapping(this, 'QueueMapping', {
      target: this.queueFunction.alias,
      eventSourceArn: this.queue.queueArn,
      batchSize,
      maxBatchingWindow: Duration.seconds(batchWindowSeconds),
      maxConcurrency,
      reportBatchItemFailures: true,
    });
  }
}
