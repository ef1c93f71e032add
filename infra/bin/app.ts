import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { addSardonyx } from '../lib/app';
import { findStage, models } from '../lib/config';
import { buildCommandFor, cargoLambdaCode } from '../lib/function-code';
import { functionArchitecture } from '../lib/stacks/serving';
import { validateEndpoint } from '../lib/validation';

const repository = join(__dirname, '..', '..');
const app = new App();
const stage = findStage(app.node.tryGetContext('stage'));
validateEndpoint(stage, process.env.AWS_ENDPOINT_URL);
addSardonyx(app, {
  stage,
  models,
  functionsDirectory: join(repository, 'functions'),
  code: cargoLambdaCode(
    join(repository, 'target', 'lambda'),
    functionArchitecture(stage),
    buildCommandFor(stage, models),
  ),
});
