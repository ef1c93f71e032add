import { Duration } from 'aws-cdk-lib';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  Alias,
  ApplicationLogLevel,
  type Architecture,
  type Code,
  type FunctionProps,
  Function as LambdaFunction,
  LoggingFormat,
  Runtime,
  SystemLogLevel,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { FunctionConfig, StageConfig } from '../config';
import { metricsNamespace } from '../metrics';
import { statefulRemovalPolicy } from '../removal';

/** Callers go through the alias, never to `$LATEST`: a new version serves only when it is complete. */
export const LIVE_ALIAS = 'live';

export interface BinaryFunctionProps extends Pick<FunctionProps, 'recursiveLoop'> {
  readonly stage: StageConfig;
  readonly architecture: Architecture;
  readonly config: Pick<FunctionConfig, 'memoryMegabytes' | 'timeoutSeconds' | 'reservedConcurrency'>;
  readonly code: Code;
  readonly description: string;
  readonly environment: Record<string, string>;
  /** By policy name, beyond writing its own logs: exact actions on exact resources, since grants would add wildcards. */
  readonly permissions: Record<string, PolicyStatement>;
}

/** One binary as one Lambda function, with a role, a log group and a `live` alias of its own. */
export class BinaryFunction extends Construct {
  readonly function: LambdaFunction;
  readonly alias: Alias;

  constructor(scope: Construct, id: string, props: BinaryFunctionProps) {
    super(scope, id);
    const { config, stage, description, architecture, code, recursiveLoop } = props;
    const logGroup = new LogGroup(this, 'LogGroup', {
      retention: stage.logRetentionDays,
      removalPolicy: statefulRemovalPolicy(stage),
    });

    this.function = new LambdaFunction(this, 'Function', {
      description,
      runtime: Runtime.PROVIDED_AL2023,
      architecture,
      handler: 'bootstrap',
      code,
      memorySize: config.memoryMegabytes,
      timeout: Duration.seconds(config.timeoutSeconds),
      ...(config.reservedConcurrency === undefined ? {} : { reservedConcurrentExecutions: config.reservedConcurrency }),
      ...(recursiveLoop === undefined ? {} : { recursiveLoop }),
      environment: { ...props.environment, SARDONYX_METRICS_NAMESPACE: metricsNamespace(stage) },
      // A role that is complete when it is created, and that no construct can widen afterwards.
      role: this.createRole(logGroup, props.permissions).withoutPolicyUpdates(),
      logGroup,
      loggingFormat: LoggingFormat.JSON,
      // Not above INFO: Lambda would drop the embedded metrics together with the other lines.
      applicationLogLevelV2: ApplicationLogLevel.INFO,
      systemLogLevelV2: SystemLogLevel.INFO,
    });
    this.alias = new Alias(this, 'LiveAlias', { aliasName: LIVE_ALIAS, version: this.function.currentVersion });
  }

  private createRole(logGroup: LogGroup, permissions: Record<string, PolicyStatement>): Role {
    const statements: Record<string, PolicyStatement> = {
      WriteLogs: new PolicyStatement({
        actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        resources: [logGroup.logGroupArn],
      }),
      ...permissions,
    };
    return new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      inlinePolicies: Object.fromEntries(
        Object.entries(statements).map(([name, statement]) => [name, new PolicyDocument({ statements: [statement] })]),
      ),
    });
  }
}
