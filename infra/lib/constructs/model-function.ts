import { Stack } from 'aws-cdk-lib';
import type { ITableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Architecture, Code } from 'aws-cdk-lib/aws-lambda';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { FunctionConfig, FunctionLimits, StageConfig } from '../config';
import type { ModelManifest } from '../manifest';
import { BinaryFunction } from './binary-function';

/** What the functions of all models have in common. */
export interface ModelFunctionContext {
  readonly stage: StageConfig;
  readonly architecture: Architecture;
  readonly artifactBucket: IBucket;
  readonly featureTable: ITableV2;
}

export interface ModelFunctionProps extends ModelFunctionContext {
  readonly manifest: ModelManifest;
  readonly config: FunctionConfig;
  readonly code: Code;
  readonly description: string;
  /** Beyond what every model function has. */
  readonly environment?: Record<string, string>;
  /** By policy name, beyond what every model function may do. */
  readonly permissions?: Record<string, PolicyStatement>;
}

/** One model binary as one Lambda function. */
export class ModelFunction extends BinaryFunction {
  constructor(scope: Construct, id: string, props: ModelFunctionProps) {
    const { manifest, config } = props;
    super(scope, id, {
      ...props,
      description: `${manifest.name} version ${manifest.version}: ${props.description}`,
      environment: {
        SARDONYX_MODEL_NAME: manifest.name,
        SARDONYX_MODEL_VERSION: manifest.version,
        SARDONYX_ARTIFACT_BUCKET: props.artifactBucket.bucketName,
        SARDONYX_FEATURE_TABLE: props.featureTable.tableName,
        ...limitVariables(config.limits),
        ...props.environment,
      },
      permissions: { ...readModel(Stack.of(scope), props), ...props.permissions },
    });
  }
}

function readModel(stack: Stack, props: ModelFunctionProps): Record<string, PolicyStatement> {
  const { manifest, artifactBucket, featureTable } = props;
  const artifactPrefix = `models/${manifest.name}/${manifest.version}`;
  return {
    ReadModelArtifact: new PolicyStatement({
      actions: ['s3:GetObject'],
      // It starts from the bundle of its build, a digit that is not known here; the others are for versions that other builds have published.
      resources: ['bundle-?', 'manifest.json', manifest.artifactFile].map((file) =>
        artifactBucket.arnForObjects(`${artifactPrefix}/${file}`),
      ),
    }),
    ...(manifest.ranksOffers ? { ReadCatalogue: readCatalogue(props) } : {}),
    ReadFeatures: new PolicyStatement({
      actions: ['dynamodb:BatchGetItem'],
      resources: [
        featureTable.tableArn,
        // Feast's own tables, in the account and region of the function.
        ...manifest.feastTables.map((table) =>
          stack.formatArn({ service: 'dynamodb', resource: 'table', resourceName: table }),
        ),
      ],
    }),
  };
}

/**
 * What is current, and the catalogues themselves, which are named by 16 digits of their hash and not known here: each `?` of
 * IAM's stands for one of them, where `*` would open whatever else may come to lie there.
 */
function readCatalogue({ manifest, artifactBucket }: ModelFunctionProps): PolicyStatement {
  const prefix = `catalogues/${manifest.name}/${manifest.version}`;
  return new PolicyStatement({
    actions: ['s3:GetObject'],
    resources: ['current', '?'.repeat(16)].map((name) => artifactBucket.arnForObjects(`${prefix}/${name}`)),
  });
}

/** Only what is set: the binary has the defaults. */
function limitVariables(limits: FunctionLimits = {}): Record<string, string> {
  const variables = {
    SARDONYX_MAX_BODY_BYTES: limits.maxBodyBytes,
    SARDONYX_MAX_INSTANCES: limits.maxInstances,
    SARDONYX_FETCH_TIMEOUT_MILLISECONDS: limits.fetchTimeoutMilliseconds,
  };
  return setVariables(variables);
}

/** Those that have a value. */
export function setVariables(variables: Record<string, number | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables).flatMap(([name, limit]) => (limit === undefined ? [] : [[name, String(limit)]])),
  );
}
