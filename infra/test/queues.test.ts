import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findStage, models } from '../lib/config';
import { pascalCase } from '../lib/stacks/serving';
import { render, resources, synth } from './support';

const prod = synth();
const queues = resources(prod.serving, 'AWS::SQS::Queue');

for (const { name, queue: config } of models) {
  describe(name, () => {
    const id = pascalCase(name);
    const queue = queues[`${id}MessageQueue`]?.Properties;
    const deadLetterQueue = queues[`${id}DeadLetterQueue`]?.Properties;

    test('a message that fails five times goes to the dead-letter queue, which keeps it longer', () => {
      assert.equal(queue.RedrivePolicy.maxReceiveCount, 5);
      assert.equal(render(queue.RedrivePolicy.deadLetterTargetArn, prod), `\${${id}DeadLetterQueue.Arn}`);
      assert.equal(deadLetterQueue.MessageRetentionPeriod, 14 * 24 * 3600);
      assert.ok(deadLetterQueue.MessageRetentionPeriod > queue.MessageRetentionPeriod);
    });

    test('a message stays hidden for six function timeouts and the batch window', () => {
      assert.ok(queue.VisibilityTimeout >= 6 * config.timeoutSeconds + config.batchWindowSeconds);
    });

    test('the mapping reports partial failures, is capped, and invokes the alias', () => {
      const mapping = resources(prod.serving, 'AWS::Lambda::EventSourceMapping')[`${id}QueueMapping`]?.Properties;
      assert.deepEqual(mapping.FunctionResponseTypes, ['ReportBatchItemFailures']);
      assert.deepEqual(mapping.ScalingConfig, { MaximumConcurrency: config.maxConcurrency });
      assert.equal(mapping.BatchSize, config.batchSize);
      assert.equal(mapping.MaximumBatchingWindowInSeconds, config.batchWindowSeconds);
      assert.equal(render(mapping.EventSourceArn, prod), `\${${id}MessageQueue.Arn}`);
      // CDK spells an alias as "<name out of the alias's ARN>:live".
      const [, [functionName, alias]] = mapping.FunctionName['Fn::Join'];
      assert.equal(alias, ':live');
      assert.equal(render(functionName['Fn::Select'][1]['Fn::Split'][1], prod), `\${${id}QueueLiveAlias}`);
    });
  });
}

test('all queues are encrypted and refuse requests without TLS', () => {
  assert.equal(Object.keys(queues).length, 2 * models.length);
  const policies = Object.values(resources(prod.serving, 'AWS::SQS::QueuePolicy'));
  for (const [id, { Properties, DeletionPolicy }] of Object.entries(queues)) {
    assert.equal(Properties.SqsManagedSseEnabled, true, id);
    assert.equal(DeletionPolicy, 'RetainExceptOnCreate', id);
    const policy = policies.find((candidate) => render(candidate.Properties.Queues[0], prod) === `\${${id}}`);
    const [statement, ...others] = policy?.Properties.PolicyDocument.Statement ?? [];
    assert.deepEqual(others, [], id);
    assert.equal(statement?.Effect, 'Deny', id);
    assert.equal(statement.Action, 'sqs:*', id);
    assert.deepEqual(statement.Condition, { Bool: { 'aws:SecureTransport': 'false' } }, id);
  }
});

test('the local stage sets a poison message aside within half a minute', () => {
  const { serving } = synth({ stage: findStage('local') });
  for (const { name } of models) {
    const queue = resources(serving, 'AWS::SQS::Queue')[`${pascalCase(name)}MessageQueue`]?.Properties;
    assert.ok(queue.VisibilityTimeout * queue.RedrivePolicy.maxReceiveCount <= 30);
  }
});
