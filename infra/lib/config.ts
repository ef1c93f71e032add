/**
 * What is deployed, and how. A new model is one more entry in `models`; its version and artifact
 * come from `functions/<name>/model/manifest.json`.
 */
export interface ModelConfig {
  /** Folder in `functions/`, cargo binary and model name, all at once. */
  readonly name: string;
  readonly api: FunctionConfig;
  readonly queue: QueueFunctionConfig;
  readonly alarms: ModelAlarmConfig;
}

export interface FunctionConfig {
  /** Also sets the share of CPU: 1,769 MB is one core. */
  readonly memoryMegabytes: number;
  readonly timeoutSeconds: number;
  /**
   * Concurrency set aside for the function, and its limit. Left out by default: a new account has
   * ten executions in all and must keep them unreserved.
   */
  readonly reservedConcurrency?: number;
  /** Where the binary's own limits do not fit; what is left out keeps the default of the README's table. */
  readonly limits?: FunctionLimits;
}

/** Whole numbers above 0. */
export interface FunctionLimits {
  /** Longest request body; of an API function only. */
  readonly maxBodyBytes?: number;
  /** Most instances or rows in one request; of an API function only. */
  readonly maxInstances?: number;
  /** How long reading the features may take, retries included. */
  readonly fetchTimeoutMilliseconds?: number;
}

export interface QueueFunctionConfig extends FunctionConfig {
  /** Messages scored by one inference. Above 10, Lambda requires a batch window. */
  readonly batchSize: number;
  readonly batchWindowSeconds: number;
  /** Most batches in work at once, so that a flood of messages cannot starve the API: 2 to 1,000. */
  readonly maxConcurrency: number;
  /** How long a recorded prediction is kept. */
  readonly resultTtlSeconds: number;
}

export interface ModelAlarmConfig {
  readonly latencyP99Milliseconds: number;
  readonly oldestMessageAgeSeconds: number;
  /** Mean number of stale feature views per prediction. */
  readonly staleViewsPerPrediction: number;
  /** Mean number of missing features per prediction; some entities rightly have no history. */
  readonly missingFeaturesPerPrediction: number;
}

/** The first model also answers every path that no model claims: server health and 404s. */
export const models: readonly ModelConfig[] = [
  {
    name: 'fraud-detection',
    api: { memoryMegabytes: 1024, timeoutSeconds: 10 },
    queue: {
      memoryMegabytes: 1024,
      timeoutSeconds: 10,
      batchSize: 100,
      batchWindowSeconds: 1,
      maxConcurrency: 5,
      resultTtlSeconds: 30 * 24 * 3600,
    },
    alarms: {
      latencyP99Milliseconds: 200,
      oldestMessageAgeSeconds: 300,
      staleViewsPerPrediction: 0.05,
      missingFeaturesPerPrediction: 6,
    },
  },
  {
    name: 'purchase-propensity',
    api: { memoryMegabytes: 1024, timeoutSeconds: 10 },
    queue: {
      memoryMegabytes: 1024,
      timeoutSeconds: 10,
      batchSize: 100,
      batchWindowSeconds: 1,
      maxConcurrency: 5,
      resultTtlSeconds: 30 * 24 * 3600,
    },
    alarms: {
      latencyP99Milliseconds: 200,
      oldestMessageAgeSeconds: 900,
      staleViewsPerPrediction: 0.05,
      missingFeaturesPerPrediction: 2,
    },
  },
  {
    name: 'offer-ranking',
    // A prediction scores the whole catalogue: CPU is what it takes, and a batch takes that for each message.
    api: { memoryMegabytes: 1769, timeoutSeconds: 10 },
    queue: {
      memoryMegabytes: 1769,
      timeoutSeconds: 10,
      batchSize: 20,
      batchWindowSeconds: 1,
      maxConcurrency: 5,
      resultTtlSeconds: 30 * 24 * 3600,
    },
    alarms: {
      latencyP99Milliseconds: 300,
      oldestMessageAgeSeconds: 900,
      staleViewsPerPrediction: 0.05,
      missingFeaturesPerPrediction: 3,
    },
  },
];

/** Who may call the API. `open` is refused by every stage but the local one. */
export type Authorization =
  | { readonly type: 'open' }
  | { readonly type: 'iam' }
  | { readonly type: 'jwt'; readonly issuer: string; readonly audience: readonly string[] };

export interface StageConfig {
  readonly name: string;
  /** A local AWS on the developer's machine, refused elsewhere: host architecture, disposable data, may be open. */
  readonly local: boolean;
  readonly authorization: Authorization;
  readonly api: {
    /** Steady requests per second and burst, over all models. */
    readonly throttlingRate: number;
    readonly throttlingBurst: number;
    /** Share of responses with a 5xx status that raises an alarm. */
    readonly serverErrorPercent: number;
  };
  readonly redelivery: {
    /** Times the function timeout that a received message stays hidden; AWS advises at least 6. */
    readonly visibilityTimeoutFactor: number;
    /** Failed receives after which a message moves to the dead-letter queue. */
    readonly maxReceiveCount: number;
  };
  readonly ingest: IngestConfig;
  readonly logRetentionDays: number;
  /** An existing SNS topic that is told of every alarm. */
  readonly alarmTopicArn?: string;
}

/** The function that loads files of feature rows, of all models' views. */
export interface IngestConfig extends Omit<FunctionConfig, 'limits'> {
  /** Most files in work at once, each of another view: 2 to 1,000. */
  readonly maxConcurrency: number;
  /** Most rows of one file written in a second; a row of up to 1 KiB takes one write unit. */
  readonly rowsPerSecond: number;
  /** How many rows of a file may be rejected, so that it is served still; none by default. */
  readonly maxRejectedRows?: number;
  /** Where the binary's own limit of rows that one invocation reads does not fit. */
  readonly maxRowsPerInvocation?: number;
  /** How long the table keeps the rows of a snapshot; for ever by default. Longer than the longest gap between two files. */
  readonly rowTtlSeconds?: number;
  /** How long rejected rows are kept, which may be somebody's data. */
  readonly rejectRetentionDays: number;
}

/** Folder in `functions/` and cargo binary of that function. */
export const INGEST_FUNCTION = 'feature-ingest';

/** A JWT stage: `authorization: { type: 'jwt', issuer: 'https://…', audience: ['…'] }`. */
export const stages: readonly StageConfig[] = [
  {
    name: 'local',
    local: true,
    authorization: { type: 'open' },
    api: { throttlingRate: 1000, throttlingBurst: 1000, serverErrorPercent: 1 },
    // Two tries, ten seconds apart: a person waits for the poison message to be set aside.
    redelivery: { visibilityTimeoutFactor: 1, maxReceiveCount: 2 },
    // A file of some thousand rows takes several invocations, so that this is tried, too.
    ingest: {
      memoryMegabytes: 1024,
      timeoutSeconds: 30,
      maxConcurrency: 2,
      rowsPerSecond: 100_000,
      maxRowsPerInvocation: 1000,
      rejectRetentionDays: 30,
    },
    logRetentionDays: 1,
  },
  {
    name: 'dev',
    local: false,
    authorization: { type: 'iam' },
    api: { throttlingRate: 50, throttlingBurst: 100, serverErrorPercent: 1 },
    redelivery: { visibilityTimeoutFactor: 6, maxReceiveCount: 5 },
    ingest: {
      memoryMegabytes: 1024,
      timeoutSeconds: 300,
      maxConcurrency: 2,
      rowsPerSecond: 500,
      rejectRetentionDays: 30,
    },
    logRetentionDays: 14,
  },
  {
    name: 'prod',
    local: false,
    authorization: { type: 'iam' },
    api: { throttlingRate: 500, throttlingBurst: 1000, serverErrorPercent: 1 },
    redelivery: { visibilityTimeoutFactor: 6, maxReceiveCount: 5 },
    ingest: {
      memoryMegabytes: 1024,
      timeoutSeconds: 300,
      maxConcurrency: 2,
      rowsPerSecond: 2000,
      rejectRetentionDays: 30,
    },
    logRetentionDays: 90,
  },
];

/** Secured: a deployment without `-c stage=…` must not open anything. */
export const DEFAULT_STAGE = 'dev';

export function findStage(name: string = DEFAULT_STAGE): StageConfig {
  const stage = stages.find((candidate) => candidate.name === name);
  if (stage === undefined) {
    const known = stages.map((candidate) => candidate.name).join(', ');
    throw new Error(`unknown stage "${name}"; lib/config.ts has: ${known}`);
  }
  return stage;
}
