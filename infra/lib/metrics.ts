import { Duration } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import type { StageConfig } from './config';

/** The event source that started a prediction, as the functions report it. */
export type Trigger = 'http' | 'sqs';
export const TRIGGERS: readonly Trigger[] = ['http', 'sqs'];

/** Metrics that the functions emit as CloudWatch embedded metrics, one series per model and trigger. */
export type ModelMetricName =
  | 'Predictions'
  | 'Errors'
  | 'InvalidInput'
  | 'NotFound'
  | 'StaleFeatures'
  | 'Unavailable'
  | 'ModelErrors'
  | 'MissingFeatures'
  | 'StaleViews'
  | 'LatencyTotal'
  | 'LatencyFeatures'
  | 'LatencyInference'
  | 'ColdStarts'
  | 'DuplicateResults'
  | 'FailedRecords'
  | 'CatalogueAge'
  | 'CatalogueRefreshFailures';

/** Metrics of files that land in S3, over all views. */
export type IngestMetricName =
  | 'PublishedSnapshots'
  | 'RefusedFiles'
  | 'LoadedRows'
  | 'RejectedRows'
  | 'OlderRows'
  | 'FailedRecords'
  | 'LatencyTotal'
  | 'ColdStarts';

export const METRIC_PERIOD = Duration.minutes(5);

/** Stages that share an account must not share series. */
export function metricsNamespace(stage: StageConfig): string {
  return `Sardonyx/${stage.name}`;
}

export interface ModelMetricOptions {
  readonly namespace: string;
  readonly model: string;
  readonly trigger: Trigger;
  readonly statistic: string;
  /** For graphs. An alarm has none: with a label it would become a metric math alarm. */
  readonly label?: string;
}

export function modelMetric(name: ModelMetricName, options: ModelMetricOptions): Metric {
  return new Metric({
    namespace: options.namespace,
    metricName: name,
    dimensionsMap: { ModelName: options.model, Trigger: options.trigger },
    statistic: options.statistic,
    period: METRIC_PERIOD,
    ...(options.label === undefined ? {} : { label: options.label }),
  });
}

export function ingestMetric(
  name: IngestMetricName,
  options: Pick<ModelMetricOptions, 'namespace' | 'statistic' | 'label'>,
): Metric {
  return new Metric({
    namespace: options.namespace,
    metricName: name,
    dimensionsMap: { Trigger: 's3' },
    statistic: options.statistic,
    period: METRIC_PERIOD,
    ...(options.label === undefined ? {} : { label: options.label }),
  });
}
