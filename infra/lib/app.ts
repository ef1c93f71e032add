import { type App, Tags, Validations } from 'aws-cdk-lib';
import { DEFAULT_CROSS_STACK_REFERENCES } from 'aws-cdk-lib/cx-api';
import { AwsSolutionsChecks } from 'cdk-nag';
import type { ModelConfig, StageConfig } from './config';
import type { FunctionCode } from './function-code';
import { DataStack } from './stacks/data';
import { ServingStack } from './stacks/serving';
import { validateConfig } from './validation';

export interface SardonyxAppProps {
  readonly stage: StageConfig;
  readonly models: readonly ModelConfig[];
  /** The folder that holds one folder per model. */
  readonly functionsDirectory: string;
  readonly code: FunctionCode;
}

export interface SardonyxStacks {
  readonly data: DataStack;
  readonly serving: ServingStack;
}

/** Adds one stage to the app: a data stack and the serving stack that reads it, for the CLI's account and region. */
export function addSardonyx(app: App, props: SardonyxAppProps): SardonyxStacks {
  const { stage, models } = props;
  validateConfig(stage, models);
  // The data stack's outputs are stack exports, so CloudFormation refuses to remove what the serving stack still uses.
  app.node.setContext(DEFAULT_CROSS_STACK_REFERENCES, 'strong');
  const data = new DataStack(app, `Sardonyx-${stage.name}-Data`, { stage });
  const serving = new ServingStack(app, `Sardonyx-${stage.name}-Serving`, {
    ...props,
    artifactBucket: data.artifactBucket,
    featureTable: data.featureTable,
    resultTable: data.resultTable,
    featureFiles: data.featureFiles,
  });
  Tags.of(app).add('project', 'sardonyx');
  Tags.of(app).add('stage', stage.name);
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  return { data, serving };
}
