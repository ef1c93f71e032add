import { DEFAULT_STAGE, type FunctionConfig, type ModelConfig, type StageConfig } from './config';

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

/**
 * Refuses to deploy a local stage, with its open API and disposable data, to anything but this machine.
 * `endpointUrl` is the environment's `AWS_ENDPOINT_URL`, which the CDK's command deploys to.
 */
export function validateEndpoint(stage: StageConfig, endpointUrl: string | undefined): void {
  if (stage.local && !isLoopback(endpointUrl)) {
    const found = endpointUrl ? `is "${endpointUrl}"` : 'is not set';
    throw new Error(
      `stage "${stage.name}": has an open API and disposable data, so it is only for a local AWS, ` +
        `but AWS_ENDPOINT_URL, which must be a loopback URL, ${found}; use "make run", or another stage: -c stage=${DEFAULT_STAGE}`,
    );
  }
}

function isLoopback(url: string | undefined): boolean {
  if (!url || !URL.canParse(url)) {
    return false;
  }
  // URL writes every form of an IP address in one way.
  const { protocol, hostname } = new URL(url);
  return /^https?:$/.test(protocol) && /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname);
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
  const { ingest } = stage;
  if (ingest.timeoutSeconds < 20 || ingest.timeoutSeconds > 900) {
    refuse('ingest.timeoutSeconds must be 20, so that a file can settle before it is published, to 900');
  }
  if (ingest.reservedConcurrency !== undefined && ingest.reservedConcurrency < ingest.maxConcurrency) {
    refuse(
      'ingest.reservedConcurrency must not be below ingest.maxConcurrency, or messages are throttled into the DLQ',
    );
  }
  for (const [name, value] of Object.entries(ingest)) {
    const least = name === 'maxRejectedRows' ? 0 : 1;
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= least)) {
      refuse(`ingest.${name} must be a whole number of at least ${least}, not ${value}`);
    }
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
  for (const [trigger, { limits = {} }] of Object.entries<FunctionConfig>({ api, queue })) {
    for (const [limit, value] of Object.entries(limits)) {
      if (value !== undefined && !(Number.isSafeInteger(value) && value > 0)) {
        refuse(`${trigger}.limits.${limit} must be a whole number above 0, not ${value}`);
      }
    }
  }
}
