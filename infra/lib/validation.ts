import type { ModelConfig, StageConfig } from './config';

// The longest that an HTTP API waits for an integration.
const API_INTEGRATION_TIMEOUT_SECONDS = 30;

/** Refuses what AWS would refuse only in the middle of a deployment, and an open API outside the local stage. */
export function validateConfig(stage: StageConfig, models: readonly ModelConfig[]): void {
  validateStage(stage);
  if (models.length === 0) {
    throw new Error('lib/config.ts: "models" is empty');
  }
  const names = new Set<string>();
  for (const model of models) {
    if (names.has(model.name)) {
      throw new Error(`model "${model.name}": is listed twice`);
    }
    names.add(model.name);
    validateModel(model);
  }
}

function validateStage(stage: StageConfig): void {
  const refuse = (reason: string) => {
    throw new Error(`stage "${stage.name}": ${reason}`);
  };
  if (stage.authorization.type === 'open' && !stage.local) {
    refuse('only the local stage may have an open API; use "iam" or "jwt"');
  }
  if (stage.authorization.type === 'jwt' && stage.authorization.audience.length === 0) {
    refuse('a JWT authorizer needs at least one audience');
  }
  if (stage.redelivery.visibilityTimeoutFactor < (stage.local ? 1 : 6)) {
    refuse('messages must stay hidden for at least 6 times the function timeout');
  }
}

function validateModel({ name, api, queue }: ModelConfig): void {
  const refuse = (reason: string) => {
    throw new Error(`model "${name}": ${reason}`);
  };
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
    refuse('names are words of lower-case letters and digits joined by "-"');
  }
  if (api.timeoutSeconds >= API_INTEGRATION_TIMEOUT_SECONDS) {
    refuse(`api.timeoutSeconds must be below ${API_INTEGRATION_TIMEOUT_SECONDS}, the limit of an HTTP API`);
  }
  if (queue.batchSize > 10 && queue.batchWindowSeconds < 1) {
    refuse('a queue.batchSize above 10 needs a queue.batchWindowSeconds of at least 1');
  }
  if (queue.reservedConcurrency !== undefined && queue.reservedConcurrency < queue.maxConcurrency) {
    refuse('queue.reservedConcurrency must not be below queue.maxConcurrency, or messages are throttled into the DLQ');
  }
}
