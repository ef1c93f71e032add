import { Duration, Stack } from 'aws-cdk-lib';
import type { ITableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  Alias,
  ApplicationLogLevel,
  type Architecture,
  type Code,
  Function as LambdaFunction,
  LoggingFormat,
  Runtime,
  SystemLogLevel,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { FunctionConfig, FunctionLimits, StageConfig } from '../config';
import type { ModelManifest } from '../manifest';
import { metricsNamespace } from '../metrics';
import { statefulRemovalPolicy } from '../removal';

/** Callers go through the alias, never to `$LATEST`: a new version serves only when it is complete. */
export const LIVE_ALIAS = 'live';

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

/** One model binary as one Lambda function, with a role, a log group and a `live` alias of its own. */
export class ModelFunction extends Construct {
  readonly function: LambdaFunction;
  readonly alias: Alias;

  constructor(scope: Construct, id: string, props: ModelFunctionProps) {
    super(scope, id);
    const { manifest, config, stage } = props;
    const logGroup = new LogGroup(this, 'LogGroup', {
      retention: stage.logRetentionDays,
      removalPolicy: statefulRemovalPolicy(stage),
    });

    this.function = new LambdaFunction(this, 'Function', {
      description: `${manifest.name} version ${manifest.version}: ${props.description}`,
      runtime: Runtime.PROVIDED_AL2023,
      architecture: props.architecture,
      handler: 'bootstrap',
      code: props.code,
      memorySize: config.memoryMegabytes,
      timeout: Duration.seconds(config.timeoutSeconds),
      ...(config.reservedConcurrency === undefined ? {} : { reservedConcurrentExecutions: config.reservedConcurrency }),
      environment: {
        SARDONYX_MODEL_NAME: manifest.name,
        SARDONYX_MODEL_VERSION: manifest.version,
        SARDONYX_ARTIFACT_BUCKET: props.artifactBucket.bucketName,
        SARDONYX_FEATURE_TABLE: props.featureTable.tableName,
        SARDONYX_METRICS_NAMESPACE: metricsNamespace(stage),
        ...limitVariables(config.limits),
        ...props.environment,
      },
      // A role that is complete when it is created, and that no construct can widen afterwards.
      role: this.createRole(logGroup, props).withoutPolicyUpdates(),
      logGroup,
      loggingFormat: LoggingFormat.JSON,
      // Not above INFO: Lambda would drop the embedded metrics together with the other lines.
      applicationLogLevelV2: ApplicationLogLevel.INFO,
      systemLogLevelV2: SystemLogLevel.INFO,
    });
    this.alias = new Alias(this, 'LiveAlias', { aliasName: LIVE_ALIAS, version: this.function.currentVersion });
  }

  /** Exact actions on exact resources; the constructs' own grants would add wildcards and managed policies. */
  private createRole(logGroup: LogGroup, props: ModelFunctionProps): Role {
    const { manifest, artifactBucket, featureTable } = props;
    const artifactPrefix = `models/${manifest.name}/${manifest.version}`;
    const statements: Record<string, PolicyStatement> = {
      WriteLogs: new PolicyStatement({
        actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        resources: [logGroup.logGroupArn],
      }),
      ReadModelArtifact: new PolicyStatement({
        actions: ['s3:GetObject'],
        resources: [
          artifactBucket.arnForObjects(`${artifactPrefix}/manifest.json`),
          artifactBucket.arnForObjects(`${artifactPrefix}/${manifest.artifactFile}`),
        ],
      }),
      ...(manifest.ranksOffers ? { ReadCatalogue: readCatalogue(props) } : {}),
      ReadFeatures: new PolicyStatement({
        actions: ['dynamodb:BatchGetItem'],
        resources: [
          featureTable.tableArn,
          // Feast's own tables, in the account and region of the function.
          ...manifest.feastTables.map((table) =>
            Stack.of(this).formatArn({ service: 'dynamodb', resource: 'table', resourceName: table }),
          ),
        ],
      }),
      ...props.permissions,
    };
    return new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      inlinePolicies: Object.fromEntries(
        Object.entries(statements).map(([name, statement]) => [name, new PolicyDocument({ statements: [statement] })]),
      ),
    });
  }
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
  return Object.fromEntries(
    Object.entries(variables).flatMap(([name, limit]) => (limit === undefined ? [] : [[name, String(limit)]])),
  );
}
