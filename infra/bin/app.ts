import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { addSardonyx } from '../lib/app';
import { findStage, models } from '../lib/config';
import { cargoLambdaCode } from '../lib/function-code';
import { functionArchitecture } from '../lib/stacks/serving';

const repository = join(__dirname, '..', '..');
const app = new App();
const stage = findStage(app.node.tryGetContext('stage'));
addSardonyx(app, {
  stage,
  models,
  functionsDirectory: join(repository, 'functions'),
  code: cargoLambdaCode(
    join(repository, 'target', 'lambda'),
    functionArchitecture(stage),
    stage.local ? 'make build' : 'cargo lambda build --release --arm64',
  ),
});
