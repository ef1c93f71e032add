import { CfnOutput, Duration, type RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import { AttributeType, Billing, TableEncryptionV2, type TablePropsV2, TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { StageConfig } from '../config';
import { FeatureFiles } from '../constructs/feature-files';
import { statefulRemovalPolicy } from '../removal';

export interface DataStackProps {
  readonly stage: StageConfig;
}

/** Everything that outlives a release: model artifacts, feature files, feature snapshots and recorded predictions. */
export class DataStack extends Stack {
  readonly artifactBucket: Bucket;
  readonly featureTable: TableV2;
  readonly resultTable: TableV2;
  readonly featureFiles: FeatureFiles;

  constructor(scope: Construct, id: string, { stage }: DataStackProps) {
    super(scope, id, {
      description: `Sardonyx ${stage.name}: model artifacts, feature files and snapshots, recorded predictions`,
      terminationProtection: !stage.local,
    });

    this.artifactBucket = this.createArtifactBucket(statefulRemovalPolicy(stage));
    this.featureTable = this.createTable('FeatureTable', stage, {
      partitionKey: { name: 'entity_key', type: AttributeType.STRING },
    });
    this.resultTable = this.createTable('ResultTable', stage, {
      partitionKey: { name: 'prediction_id', type: AttributeType.STRING },
      sortKey: { name: 'model_name', type: AttributeType.STRING },
    });
    this.featureFiles = new FeatureFiles(this, 'FeatureFiles', { stage });

    new CfnOutput(this, 'ArtifactBucketName', { value: this.artifactBucket.bucketName });
    new CfnOutput(this, 'FeatureTableName', { value: this.featureTable.tableName });
    new CfnOutput(this, 'ResultTableName', { value: this.resultTable.tableName });
    const { bucket, queue, deadLetterQueue } = this.featureFiles;
    new CfnOutput(this, 'FeatureFilesBucketName', { value: bucket.bucketName });
    new CfnOutput(this, 'FeatureFilesQueueUrl', { value: queue.queueUrl });
    new CfnOutput(this, 'FeatureFilesDeadLetterQueueUrl', { value: deadLetterQueue.queueUrl });
  }

  private createArtifactBucket(removalPolicy: RemovalPolicy): Bucket {
    const bucket = new Bucket(this, 'ArtifactBucket', {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      versioned: true,
      lifecycleRules: [
        {
          id: 'expire-overwritten-artifacts',
          abortIncompleteMultipartUploadAfter: Duration.days(7),
          noncurrentVersionExpiration: Duration.days(90),
        },
      ],
      removalPolicy,
    });
    Validations.of(bucket).acknowledge({
      id: 'AwsSolutions-S1',
      reason:
        'Holds model artifacts only, no personal data. Each function role may read two exact keys and reads them once ' +
        'per cold start; CloudTrail data events attribute reads by role where an account requires that.',
    });
    return bucket;
  }

  private createTable(id: string, stage: StageConfig, key: Pick<TablePropsV2, 'partitionKey' | 'sortKey'>): TableV2 {
    return new TableV2(this, id, {
      ...key,
      billing: Billing.onDemand(),
      deletionProtection: !stage.local,
      encryption: TableEncryptionV2.awsManagedKey(),
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      removalPolicy: statefulRemovalPolicy(stage),
      timeToLiveAttribute: 'expires_at',
    });
  }
}
