import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findStage, models } from '../lib/config';
import { pascalCase } from '../lib/stacks/serving';
import { render, resources, synth } from './support';

const prod = synth();
const alarms = resources(prod.serving, 'AWS::CloudWatch::Alarm');

/** `namespace metric statistic {dimensions}` of an alarm on one metric. */
function series(id: string): string {
  const { Namespace, MetricName, Statistic, ExtendedStatistic, Dimensions } = alarms[`Alarms${id}`]?.Properties ?? {};
  return describeSeries(Namespace, MetricName, Statistic ?? ExtendedStatistic, Dimensions);
}

/** The same for every metric of an alarm on an expression, by its name in the expression. */
function expression(id: string): Record<string, string> {
  const metrics: Record<string, string> = {};
  for (const { Id, Expression, MetricStat } of alarms[`Alarms${id}`]?.Properties.Metrics ?? []) {
    metrics[MetricStat === undefined ? 'expression' : Id] =
      Expression ??
      describeSeries(
        MetricStat.Metric.Namespace,
        MetricStat.Metric.MetricName,
        MetricStat.Stat,
        MetricStat.Metric.Dimensions,
      );
  }
  return metrics;
}

function describeSeries(
  namespace: string,
  metric: string,
  statistic: string,
  dimensions: { Name: string; Value: unknown }[],
): string {
  const values = dimensions.map(({ Name, Value }) => `${Name}=${render(Value, prod)}`);
  return `${namespace} ${metric} ${statistic} {${values.join(', ')}}`;
}

test('the API alarms on its share of server errors', () => {
  assert.deepEqual(expression('ApiServerErrors'), {
    expression: '100 * failed / requests',
    failed: 'AWS/ApiGateway 5xx Sum {ApiId=${PredictionApiHttpApi}, Stage=$default}',
    requests: 'AWS/ApiGateway Count Sum {ApiId=${PredictionApiHttpApi}, Stage=$default}',
  });
});

for (const { name, alarms: thresholds } of models) {
  describe(name, () => {
    const id = pascalCase(name);

    test('alarms on errors and throttles of both functions', () => {
      for (const trigger of ['Api', 'Queue']) {
        const dimensions = `{FunctionName=\${${id}${trigger}Function}}`;
        assert.equal(series(`${id}${trigger}FunctionErrors`), `AWS/Lambda Errors Sum ${dimensions}`);
        assert.equal(series(`${id}${trigger}FunctionThrottles`), `AWS/Lambda Throttles Sum ${dimensions}`);
        assert.equal(alarms[`Alarms${id}${trigger}FunctionErrors`]?.Properties.Threshold, 0);
      }
    });

    test('alarms on dead letters and on a queue that is not kept up with', () => {
      assert.equal(
        series(`${id}DeadLetters`),
        `AWS/SQS ApproximateNumberOfMessagesVisible Maximum {QueueName=\${${id}DeadLetterQueue.QueueName}}`,
      );
      assert.equal(alarms[`Alarms${id}DeadLetters`]?.Properties.Threshold, 0);
      assert.equal(
        series(`${id}OldestMessageAge`),
        `AWS/SQS ApproximateAgeOfOldestMessage Maximum {QueueName=\${${id}MessageQueue.QueueName}}`,
      );
      assert.equal(alarms[`Alarms${id}OldestMessageAge`]?.Properties.Threshold, thresholds.oldestMessageAgeSeconds);
    });

    test('alarms on the latency that the functions report', () => {
      assert.equal(series(`${id}LatencyP99`), `Sardonyx/prod LatencyTotal p99 {ModelName=${name}, Trigger=http}`);
      assert.equal(alarms[`Alarms${id}LatencyP99`]?.Properties.Threshold, thresholds.latencyP99Milliseconds);
    });

    test('alarms on stale views and missing features per prediction, for each trigger', () => {
      for (const [prefix, trigger] of [
        ['Api', 'http'],
        ['Queue', 'sqs'],
      ]) {
        for (const [metric, threshold] of [
          ['StaleViews', thresholds.staleViewsPerPrediction],
          ['MissingFeatures', thresholds.missingFeaturesPerPrediction],
        ]) {
          assert.deepEqual(expression(`${id}${prefix}${metric}`), {
            expression: 'affected / predictions',
            affected: `Sardonyx/prod ${metric} Sum {ModelName=${name}, Trigger=${trigger}}`,
            predictions: `Sardonyx/prod Predictions Sum {ModelName=${name}, Trigger=${trigger}}`,
          });
          assert.equal(alarms[`Alarms${id}${prefix}${metric}`]?.Properties.Threshold, threshold);
        }
      }
    });
  });
}

test('the loader of features alarms on its errors, dead letters and files that are refused', () => {
  assert.equal(series('FeatureIngestFunctionErrors'), 'AWS/Lambda Errors Sum {FunctionName=${FeatureIngestFunction}}');
  assert.equal(
    series('FeatureIngestFunctionThrottles'),
    'AWS/Lambda Throttles Sum {FunctionName=${FeatureIngestFunction}}',
  );
  assert.equal(
    series('FeatureIngestDeadLetters'),
    'AWS/SQS ApproximateNumberOfMessagesVisible Maximum {QueueName=${Data.FeatureFilesDeadLetterQueue.QueueName}}',
  );
  assert.equal(series('FeatureIngestRefusedFiles'), 'Sardonyx/prod RefusedFiles Sum {Trigger=s3}');
});

test('every alarm explains itself and is quiet without traffic', () => {
  assert.equal(Object.keys(alarms).length, 1 + 11 * models.length + 4);
  for (const [id, { Properties }] of Object.entries(alarms)) {
    assert.equal(Properties.ComparisonOperator, 'GreaterThanThreshold', id);
    assert.equal(Properties.TreatMissingData, 'notBreaching', id);
    assert.ok(Properties.AlarmDescription, id);
  }
});

test('alarms notify the topic of the stage, when it has one', () => {
  const topic = 'arn:aws:sns:eu-west-1:111111111111:on-call';
  const { serving } = synth({ stage: { ...findStage('prod'), alarmTopicArn: topic } });
  for (const [id, { Properties }] of Object.entries(resources(serving, 'AWS::CloudWatch::Alarm'))) {
    assert.deepEqual(Properties.AlarmActions, [topic], id);
    assert.deepEqual(Properties.OKActions, [topic], id);
  }
  for (const [id, { Properties }] of Object.entries(alarms)) {
    assert.equal(Properties.AlarmActions, undefined, id);
  }
});

test('the local stage has no alarm on an expression, which a local AWS cannot deploy', () => {
  const { serving } = synth({ stage: findStage('local') });
  const local = Object.values(resources(serving, 'AWS::CloudWatch::Alarm'));
  assert.equal(local.length, 7 * models.length + 4);
  for (const { Properties } of local) {
    assert.equal(Properties.Metrics, undefined);
  }
});

test('one dashboard shows every alarm and every metric of every model', () => {
  const [dashboard, ...others] = Object.values(resources(prod.serving, 'AWS::CloudWatch::Dashboard'));
  assert.deepEqual(others, []);
  const body = render(dashboard?.Properties.DashboardBody, prod);
  JSON.parse(body);
  for (const alarm of Object.keys(alarms)) {
    assert.ok(body.includes(`\${${alarm}.Arn}`), alarm);
  }
  for (const { name } of models) {
    for (const metric of [
      ...['Predictions', 'ColdStarts', 'LatencyTotal', 'LatencyFeatures', 'LatencyInference'],
      ...['InvalidInput', 'NotFound', 'StaleFeatures', 'Unavailable', 'ModelErrors'],
      ...['MissingFeatures', 'StaleViews', 'FailedRecords', 'DuplicateResults'],
    ]) {
      assert.ok(body.includes(`"Sardonyx/prod","${metric}","ModelName","${name}"`), `${name} ${metric}`);
    }
  }
  for (const metric of [
    'PublishedSnapshots',
    'RefusedFiles',
    'LoadedRows',
    'RejectedRows',
    'OlderRows',
    'FailedRecords',
  ]) {
    assert.ok(body.includes(`"Sardonyx/prod","${metric}","Trigger","s3"`), metric);
  }
});
