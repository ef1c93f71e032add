import { Aws, Duration, Stack, Validations } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { BlockPublicAccess, Bucket, BucketEncryption, type CfnBucket, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { StageConfig } from '../config';
import { statefulRemovalPolicy } from '../removal';

/** How the keys of files begin that are loaded, each under the name of its view. */
export const SNAPSHOTS = 'snapshots/';
/** How the keys begin under which rejected rows are written down. */
export const REJECTS = 'rejects/';

/** Where files of feature rows are dropped, and the queue that is told of each. */
export class FeatureFiles extends Construct {
  readonly bucket: Bucket;
  readonly bucketArn: string;
  readonly queue: Queue;
  readonly deadLetterQueue: Queue;

  constructor(scope: Construct, id: string, { stage }: { readonly stage: StageConfig }) {
    super(scope, id);
    const { timeoutSeconds } = stage.ingest;
    this.deadLetterQueue = this.createQueue('DeadLetterQueue', stage, { retentionPeriod: Duration.days(14) });
    this.queue = this.createQueue('Queue', stage, {
      visibilityTimeout: Duration.seconds(stage.redelivery.visibilityTimeoutFactor * timeoutSeconds),
      retentionPeriod: Duration.days(4),
      deadLetterQueue: { queue: this.deadLetterQueue, maxReceiveCount: stage.redelivery.maxReceiveCount },
    });
    // The bucket has a name of its own, so that the queue can let it in before it is there.
    const bucketName = `sardonyx-${stage.name}-feature-files-${Aws.ACCOUNT_ID}-${Aws.REGION}`;
    this.bucketArn = Stack.of(this).formatArn({ service: 's3', region: '', account: '', resource: bucketName });
    this.letIn();
    this.bucket = this.createBucket(bucketName, stage);
  }

  private createQueue(id: string, stage: StageConfig, props: ConstructorParameters<typeof Queue>[2]): Queue {
    return new Queue(this, id, {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      removalPolicy: statefulRemovalPolicy(stage),
      ...props,
    });
  }

  private letIn(): void {
    this.queue.addToResourcePolicy(
      new PolicyStatement({
        sid: 'NotifyOfFeatureFiles',
        principals: [new ServicePrincipal('s3.amazonaws.com')],
        actions: ['sqs:SendMessage'],
        resources: [this.queue.queueArn],
        conditions: {
          ArnEquals: { 'aws:SourceArn': this.bucketArn },
          StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID },
        },
      }),
    );
  }

  private createBucket(bucketName: string, stage: StageConfig): Bucket {
    const bucket = new Bucket(this, 'Bucket', {
      bucketName,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      lifecycleRules: [
        { id: 'expire-rejects', prefix: REJECTS, expiration: Duration.days(stage.ingest.rejectRetentionDays) },
        { id: 'abort-uploads', abortIncompleteMultipartUploadAfter: Duration.days(7) },
      ],
      removalPolicy: statefulRemovalPolicy(stage),
    });
    // Not `addEventNotification`, which brings a custom resource with a function and wide permissions.
    const resource = bucket.node.defaultChild as CfnBucket;
    resource.notificationConfiguration = {
      queueConfigurations: [
        {
          event: 's3:ObjectCreated:*',
          queue: this.queue.queueArn,
          filter: { s3Key: { rules: [{ name: 'prefix', value: SNAPSHOTS }] } },
        },
      ],
    };
    // S3 tries whether it may send, so the queue's policy has to be there.
    resource.node.addDependency(this.queue.node.findChild('Policy'));
    Validations.of(bucket).acknowledge({
      id: 'AwsSolutions-S1',
      reason:
        'Files are dropped by one pipeline and read by one role, which logs each file that it reads; CloudTrail data ' +
        'events attribute access by role where an account requires that.',
    });
    return bucket;
  }
}
