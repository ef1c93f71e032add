import { CfnOutput, Stack } from 'aws-cdk-lib';
import type { ITableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { INGEST_FUNCTION, type ModelConfig, type StageConfig } from '../config';
import { Alarms } from '../constructs/alarms';
import { ServingDashboard } from '../constructs/dashboard';
import type { FeatureFiles } from '../constructs/feature-files';
import { FeatureIngest } from '../constructs/feature-ingest';
import { ModelService } from '../constructs/model-service';
import { PredictionApi } from '../constructs/prediction-api';
import { type FunctionCode, hostArchitecture } from '../function-code';
import { readModelManifest } from '../manifest';

export interface ServingStackProps {
  readonly stage: StageConfig;
  readonly models: readonly ModelConfig[];
  readonly functionsDirectory: string;
  readonly code: FunctionCode;
  readonly artifactBucket: IBucket;
  readonly featureTable: ITableV2;
  readonly resultTable: ITableV2;
  readonly featureFiles: FeatureFiles;
}

/** Everything that runs: per model two functions and a queue, one API, the loader of features, alarms, a dashboard. */
export class ServingStack extends Stack {
  constructor(scope: Construct, id: string, props: ServingStackProps) {
    const { stage } = props;
    super(scope, id, { description: `Sardonyx ${stage.name}: prediction API, queues, loading of features` });

    const services = props.models.map(
      (config) =>
        new ModelService(this, pascalCase(config.name), {
          ...props,
          config,
          manifest: readModelManifest(props.functionsDirectory, config.name),
          code: props.code(config.name),
          architecture: functionArchitecture(stage),
        }),
    );
    const ingest = new FeatureIngest(this, 'FeatureIngest', {
      ...props,
      files: props.featureFiles,
      manifests: services.map(({ manifest }) => manifest),
      code: props.code(INGEST_FUNCTION),
      architecture: functionArchitecture(stage),
    });
    const api = new PredictionApi(this, 'PredictionApi', {
      stage,
      models: services.map(({ config, apiFunction }) => ({ name: config.name, alias: apiFunction.alias })),
    });
    const alarms = new Alarms(this, 'Alarms', { stage, api, services, ingest });
    new ServingDashboard(this, 'ServingDashboard', { stage, api, services, ingest, alarms: alarms.all });

    this.addOutputs(api, services, ingest);
  }

  private addOutputs(api: PredictionApi, services: readonly ModelService[], ingest: FeatureIngest): void {
    const output = (id: string, value: string) => new CfnOutput(this, id, { value });
    output('ApiId', api.api.apiId);
    output('ApiUrl', api.stage.url);
    output('FeatureIngestFunctionName', ingest.function.function.functionName);
    output('ModelNames', services.map(({ config }) => config.name).join(','));
    for (const { node, queue, deadLetterQueue, apiFunction, queueFunction } of services) {
      output(`${node.id}QueueUrl`, queue.queueUrl);
      output(`${node.id}DeadLetterQueueUrl`, deadLetterQueue.queueUrl);
      output(`${node.id}ApiFunctionName`, apiFunction.function.functionName);
      output(`${node.id}QueueFunctionName`, queueFunction.function.functionName);
    }
  }
}

/** `arm64` is the cheaper one on AWS; a local AWS runs functions as processes of its host. */
export function functionArchitecture(stage: StageConfig): Architecture {
  return stage.local ? hostArchitecture : Architecture.ARM_64;
}

/** `fraud-detection` to `FraudDetection`: the model's construct id and the prefix of its outputs. */
export function pascalCase(name: string): string {
  return name
    .split('-')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}
