import { Duration } from 'aws-cdk-lib';
import {
  type Alarm,
  AlarmStatusWidget,
  Dashboard,
  GraphWidget,
  type GraphWidgetProps,
  type IMetric,
  type IWidget,
  Row,
  TextWidget,
} from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import { INGEST_FUNCTION, type StageConfig } from '../config';
import {
  type IngestMetricName,
  ingestMetric,
  METRIC_PERIOD,
  type ModelMetricName,
  metricsNamespace,
  modelMetric,
  TRIGGERS,
} from '../metrics';
import type { FeatureIngest } from './feature-ingest';
import type { ModelService } from './model-service';
import type { PredictionApi } from './prediction-api';

export interface ServingDashboardProps {
  readonly stage: StageConfig;
  readonly api: PredictionApi;
  readonly services: readonly ModelService[];
  readonly ingest: FeatureIngest;
  readonly alarms: readonly Alarm[];
}

const WIDTH = 24;
const ERROR_KINDS: readonly ModelMetricName[] = [
  'InvalidInput',
  'NotFound',
  'StaleFeatures',
  'Unavailable',
  'ModelErrors',
];

/** One page: alarms, the API, for each model its traffic, latency, errors, features and queue, and the files of features. */
export class ServingDashboard extends Construct {
  constructor(scope: Construct, id: string, { stage, api, services, ingest, alarms }: ServingDashboardProps) {
    super(scope, id);
    const namespace = metricsNamespace(stage);
    new Dashboard(this, 'Dashboard', {
      defaultInterval: Duration.hours(3),
      widgets: [
        [new AlarmStatusWidget({ title: 'Alarms', alarms: [...alarms], width: WIDTH })],
        [apiRow(api)],
        ...services.flatMap((service) => [
          [title(service.config.name)],
          [predictionRow(service, namespace)],
          [operationRow(service, namespace)],
        ]),
        [title(INGEST_FUNCTION)],
        [ingestRow(ingest, namespace)],
      ],
    });
  }
}

function apiRow({ stage }: PredictionApi): IWidget {
  const sum = { statistic: 'Sum', period: METRIC_PERIOD };
  return row(
    graph('API: responses', [
      stage.metricCount({ ...sum, label: 'all' }),
      stage.metricClientError({ ...sum, label: '4xx' }),
      stage.metricServerError({ ...sum, label: '5xx' }),
    ]),
    graph(
      'API: latency',
      ['p50', 'p99'].map((statistic) => stage.metricLatency({ statistic, period: METRIC_PERIOD, label: statistic })),
      'Milliseconds',
    ),
  );
}

function predictionRow({ config: { name: model } }: ModelService, namespace: string): IWidget {
  const perTrigger = (name: ModelMetricName, statistic: string) =>
    TRIGGERS.map((trigger) =>
      modelMetric(name, { namespace, model, trigger, statistic, label: `${name} (${trigger})` }),
    );
  const latency = (name: ModelMetricName, statistic: string) =>
    modelMetric(name, { namespace, model, trigger: 'http', statistic, label: `${name} ${statistic}` });
  return row(
    graph('Predictions', [...perTrigger('Predictions', 'Sum'), ...perTrigger('ColdStarts', 'Sum')]),
    graph(
      'Latency over HTTP',
      [
        latency('LatencyTotal', 'p50'),
        latency('LatencyTotal', 'p99'),
        latency('LatencyFeatures', 'p99'),
        latency('LatencyInference', 'p99'),
      ],
      'Milliseconds',
    ),
    graph(
      'Errors by kind',
      ERROR_KINDS.flatMap((kind) => perTrigger(kind, 'Sum')),
    ),
    graph('Missing features and stale views', [
      ...perTrigger('MissingFeatures', 'Sum'),
      ...perTrigger('StaleViews', 'Sum'),
    ]),
  );
}

function operationRow(service: ModelService, namespace: string): IWidget {
  const { queue, apiFunction, queueFunction } = service;
  const model = service.config.name;
  const maximum = { statistic: 'Maximum', period: METRIC_PERIOD };
  const sum = { statistic: 'Sum', period: METRIC_PERIOD };
  const perFunction = (metric: (of: typeof apiFunction.function, trigger: string) => IMetric) => [
    metric(apiFunction.function, 'http'),
    metric(queueFunction.function, 'sqs'),
  ];
  return row(
    queueGraph(service),
    graph('Queue: age of the oldest message', [queue.metricApproximateAgeOfOldestMessage(maximum)], 'Seconds'),
    graph('Queue: records', [
      modelMetric('FailedRecords', { namespace, model, trigger: 'sqs', statistic: 'Sum', label: 'failed' }),
      modelMetric('DuplicateResults', { namespace, model, trigger: 'sqs', statistic: 'Sum', label: 'duplicates' }),
    ]),
    graph('Functions: errors, throttles, concurrency', [
      ...perFunction((of, trigger) => of.metricErrors({ ...sum, label: `errors (${trigger})` })),
      ...perFunction((of, trigger) => of.metricThrottles({ ...sum, label: `throttles (${trigger})` })),
      ...perFunction((of, trigger) =>
        of.metric('ConcurrentExecutions', { ...maximum, label: `concurrency (${trigger})` }),
      ),
    ]),
  );
}

function ingestRow({ files, function: { function: lambda } }: FeatureIngest, namespace: string): IWidget {
  const total = (name: IngestMetricName, label: string) => ingestMetric(name, { namespace, statistic: 'Sum', label });
  const sum = { statistic: 'Sum', period: METRIC_PERIOD };
  return row(
    graph('Files', [
      total('PublishedSnapshots', 'published'),
      total('RefusedFiles', 'refused'),
      total('FailedRecords', 'to be tried again'),
    ]),
    graph('Rows', [
      total('LoadedRows', 'loaded'),
      total('RejectedRows', 'rejected'),
      total('OlderRows', 'older than what is there'),
    ]),
    queueGraph(files),
    graph('Function: errors, throttles, cold starts', [
      lambda.metricErrors({ ...sum, label: 'errors' }),
      lambda.metricThrottles({ ...sum, label: 'throttles' }),
      total('ColdStarts', 'cold starts'),
    ]),
  );
}

function queueGraph({ queue, deadLetterQueue }: Pick<ModelService, 'queue' | 'deadLetterQueue'>): GraphWidgetProps {
  const maximum = { statistic: 'Maximum', period: METRIC_PERIOD };
  return graph('Queue: messages', [
    queue.metricApproximateNumberOfMessagesVisible({ ...maximum, label: 'waiting' }),
    queue.metricApproximateNumberOfMessagesNotVisible({ ...maximum, label: 'in work' }),
    deadLetterQueue.metricApproximateNumberOfMessagesVisible({ ...maximum, label: 'dead letters' }),
  ]);
}

function title(text: string): IWidget {
  return new TextWidget({ markdown: `# ${text}`, width: WIDTH, height: 1 });
}

/** Graphs of equal width that fill one row. */
function row(...graphs: GraphWidgetProps[]): IWidget {
  return new Row(...graphs.map((graph) => new GraphWidget({ ...graph, width: WIDTH / graphs.length })));
}

function graph(title: string, left: IMetric[], unit = 'Count'): GraphWidgetProps {
  return { title, left, leftYAxis: { label: unit, min: 0, showUnits: false } };
}
