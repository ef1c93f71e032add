import { Duration } from 'aws-cdk-lib';
import {
  Alarm,
  ComparisonOperator,
  type IAlarmAction,
  type IMetric,
  MathExpression,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { Topic } from 'aws-cdk-lib/aws-sns';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { INGEST_FUNCTION, type StageConfig } from '../config';
import {
  ingestMetric,
  METRIC_PERIOD,
  type ModelMetricName,
  type ModelMetricOptions,
  metricsNamespace,
  modelMetric,
  TRIGGERS,
} from '../metrics';
import type { BinaryFunction } from './binary-function';
import type { FeatureIngest } from './feature-ingest';
import type { ModelService } from './model-service';
import type { PredictionApi } from './prediction-api';

export interface AlarmsProps {
  readonly stage: StageConfig;
  readonly api: PredictionApi;
  readonly services: readonly ModelService[];
  readonly ingest: FeatureIngest;
}

interface AlarmOptions {
  readonly metric: IMetric;
  readonly above: number;
  /** Says what it means and where to look: it is all that the person on call reads at first. */
  readonly description: string;
  /** Two of three periods instead of one, for what may recover by itself. */
  readonly sustained?: boolean;
}

/** Alarms on what a caller or an operator would notice; quiet when there is no traffic. */
export class Alarms extends Construct {
  readonly all: Alarm[] = [];
  private readonly stage: StageConfig;
  private readonly action: IAlarmAction | undefined;

  constructor(scope: Construct, id: string, { stage, api, services, ingest }: AlarmsProps) {
    super(scope, id);
    this.stage = stage;
    this.action =
      stage.alarmTopicArn === undefined
        ? undefined
        : new SnsAction(Topic.fromTopicArn(this, 'Topic', stage.alarmTopicArn));
    this.watchApi(api, stage);
    for (const service of services) {
      this.watchFunctions(service);
      this.watchQueue(service);
      this.watchPredictions(service, metricsNamespace(stage));
    }
    this.watchIngest(ingest, metricsNamespace(stage));
  }

  private watchApi({ stage: apiStage }: PredictionApi, stage: StageConfig): void {
    this.add('ApiServerErrors', {
      metric: new MathExpression({
        label: '5xx responses (%)',
        expression: '100 * failed / requests',
        usingMetrics: {
          failed: apiStage.metricServerError({ statistic: 'Sum' }),
          requests: apiStage.metricCount({ statistic: 'Sum' }),
        },
        period: METRIC_PERIOD,
      }),
      above: stage.api.serverErrorPercent,
      sustained: true,
      description: 'The API answers with 5xx. See "errors by kind" on the dashboard, then the API functions\' logs.',
    });
  }

  private watchFunctions({ node, config, apiFunction, queueFunction }: ModelService): void {
    this.watchFunction(`${node.id}Api`, `${config.name}: the Api function`, apiFunction);
    this.watchFunction(`${node.id}Queue`, `${config.name}: the Queue function`, queueFunction);
  }

  private watchFunction(id: string, who: string, { function: lambda }: BinaryFunction): void {
    this.add(`${id}FunctionErrors`, {
      metric: lambda.metricErrors({ period: METRIC_PERIOD }),
      above: 0,
      description: `${who} crashed, timed out or failed to start. Its log names the cause.`,
    });
    this.add(`${id}FunctionThrottles`, {
      metric: lambda.metricThrottles({ period: METRIC_PERIOD }),
      above: 0,
      sustained: true,
      description: `${who} is out of concurrency. Raise the account's or the function's limit.`,
    });
  }

  private watchQueue({ node, config, queue, deadLetterQueue }: ModelService): void {
    this.watchDeadLetters(node.id, config.name, deadLetterQueue);
    this.add(`${node.id}OldestMessageAge`, {
      metric: queue.metricApproximateAgeOfOldestMessage({ statistic: 'Maximum', period: METRIC_PERIOD }),
      above: config.alarms.oldestMessageAgeSeconds,
      description: `${config.name}: the queue is not keeping up. Check the queue function's errors, then its maxConcurrency.`,
    });
  }

  private watchDeadLetters(id: string, who: string, deadLetterQueue: Queue): void {
    this.add(`${id}DeadLetters`, {
      metric: deadLetterQueue.metricApproximateNumberOfMessagesVisible({
        statistic: 'Maximum',
        period: Duration.minutes(1),
      }),
      above: 0,
      description: `${who}: messages failed every attempt. Read the dead-letter queue, mend the cause, redrive it.`,
    });
  }

  private watchIngest({ node, files, function: loader }: FeatureIngest, namespace: string): void {
    this.watchFunction(node.id, `${INGEST_FUNCTION}: the function`, loader);
    this.watchDeadLetters(node.id, INGEST_FUNCTION, files.deadLetterQueue);
    this.add(`${node.id}RefusedFiles`, {
      metric: ingestMetric('RefusedFiles', { namespace, statistic: 'Sum' }),
      above: 0,
      description: `${INGEST_FUNCTION}: a file is not served. The log says which and why ("the file is refused"); mend it and upload it anew.`,
    });
  }

  private watchPredictions({ node, config }: ModelService, namespace: string): void {
    const { latencyP99Milliseconds, staleViewsPerPrediction, missingFeaturesPerPrediction } = config.alarms;
    this.add(`${node.id}LatencyP99`, {
      metric: modelMetric('LatencyTotal', { namespace, model: config.name, trigger: 'http', statistic: 'p99' }),
      above: latencyP99Milliseconds,
      sustained: true,
      description: `${config.name}: slow for one request in a hundred. The dashboard splits latency into features and inference.`,
    });
    for (const trigger of TRIGGERS) {
      const name = trigger === 'http' ? 'Api' : 'Queue';
      this.add(`${node.id}${name}StaleViews`, {
        metric: perPrediction('StaleViews', { namespace, model: config.name, trigger }),
        above: staleViewsPerPrediction,
        sustained: true,
        description: `${config.name}: predictions use feature snapshots older than the manifest allows. Check the feature pipeline.`,
      });
      this.add(`${node.id}${name}MissingFeatures`, {
        metric: perPrediction('MissingFeatures', { namespace, model: config.name, trigger }),
        above: missingFeaturesPerPrediction,
        sustained: true,
        description: `${config.name}: more features than usual are missing. Check callers for dropped fields and the feature pipeline.`,
      });
    }
  }

  private add(id: string, { metric, above, description, sustained = false }: AlarmOptions): void {
    // A local AWS has no metric math, and nobody on call.
    if (this.stage.local && metric instanceof MathExpression) {
      return;
    }
    const alarm = new Alarm(this, id, {
      metric,
      threshold: above,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      evaluationPeriods: sustained ? 3 : 1,
      datapointsToAlarm: sustained ? 2 : 1,
      treatMissingData: TreatMissingData.NOT_BREACHING,
      alarmDescription: description,
    });
    if (this.action !== undefined) {
      alarm.addAlarmAction(this.action);
      alarm.addOkAction(this.action);
    }
    this.all.push(alarm);
  }
}

/** Mean count per prediction; no data, hence no alarm, without predictions. */
function perPrediction(name: ModelMetricName, series: Omit<ModelMetricOptions, 'statistic'>): MathExpression {
  return new MathExpression({
    label: `${name} per prediction (${series.trigger})`,
    expression: 'affected / predictions',
    usingMetrics: {
      affected: modelMetric(name, { ...series, statistic: 'Sum' }),
      predictions: modelMetric('Predictions', { ...series, statistic: 'Sum' }),
    },
    period: METRIC_PERIOD,
  });
}
