// The application with stub binaries, so that it can be synthesised and linted without compiling anything.
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { addSardonyx } from '../lib/app';
import { findStage, models } from '../lib/config';
import { stubCode } from './support';

const app = new App();
addSardonyx(app, {
  stage: findStage(app.node.tryGetContext('stage')),
  models,
  functionsDirectory: join(__dirname, '..', '..', 'functions'),
  code: stubCode,
});
