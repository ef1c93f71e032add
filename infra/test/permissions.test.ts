import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { models } from '../lib/config';
import { pascalCase } from '../lib/stacks/serving';
import { grants, render, resources, synth } from './support';

const prod = synth();
const roles = resources(prod.serving, 'AWS::IAM::Role');

for (const { name } of models) {
  describe(name, () => {
    const id = pascalCase(name);
    const common = (trigger: string) => [
      'dynamodb:BatchGetItem on ${Data.FeatureTable.Arn}',
      `logs:CreateLogStream on \${${id}${trigger}LogGroup.Arn}`,
      `logs:PutLogEvents on \${${id}${trigger}LogGroup.Arn}`,
      `s3:GetObject on \${Data.ArtifactBucket.Arn}/models/${name}/3/bundle-?`,
      `s3:GetObject on \${Data.ArtifactBucket.Arn}/models/${name}/3/manifest.json`,
      `s3:GetObject on \${Data.ArtifactBucket.Arn}/models/${name}/3/model.onnx`,
    ];

    test('the API function reads its artifact and features, and nothing else', () => {
      assert.deepEqual(grants(roles[`${id}ApiRole`], prod), common('Api').sort());
    });

    test('the queue function also consumes its queue and records results', () => {
      assert.deepEqual(
        grants(roles[`${id}QueueRole`], prod),
        [
          ...common('Queue'),
          'dynamodb:PartiQLInsert on ${Data.ResultTable.Arn}',
          `sqs:DeleteMessage on \${${id}MessageQueue.Arn}`,
          `sqs:GetQueueAttributes on \${${id}MessageQueue.Arn}`,
          `sqs:ReceiveMessage on \${${id}MessageQueue.Arn}`,
        ].sort(),
      );
    });

    test('each function assumes its own role', () => {
      const functions = resources(prod.serving, 'AWS::Lambda::Function');
      for (const trigger of ['Api', 'Queue']) {
        const role = functions[`${id}${trigger}Function`]?.Properties.Role;
        assert.equal(render(role, prod), `\${${id}${trigger}Role.Arn}`);
      }
    });
  });
}

test('a function reads the tables of its Feast views, and no other', () => {
  const feast = { layout: 'feast', table: 'shop.user_stats' };
  const templates = synth({
    featureViews: [feast, { name: 'own', layout: 'native' }, { ...feast, table: 'shop.cards' }, feast],
  });
  for (const [name, role] of Object.entries(resources(templates.serving, 'AWS::IAM::Role'))) {
    if (name === 'FeatureIngestRole') {
      continue;
    }
    const table = (name: string) =>
      `dynamodb:BatchGetItem on arn:\${AWS::Partition}:dynamodb:\${AWS::Region}:\${AWS::AccountId}:table/${name}`;
    assert.deepEqual(
      grants(role, templates).filter((grant) => grant.startsWith('dynamodb:BatchGetItem')),
      ['dynamodb:BatchGetItem on ${Data.FeatureTable.Arn}', table('shop.cards'), table('shop.user_stats')],
      name,
    );
  }
});

test('a function that ranks offers reads the catalogues of its version of its model, and no other', () => {
  const templates = synth({ catalogue: { name: 'offers' } });
  for (const { name } of models) {
    for (const trigger of ['Api', 'Queue']) {
      const role = resources(templates.serving, 'AWS::IAM::Role')[`${pascalCase(name)}${trigger}Role`];
      assert.deepEqual(
        grants(role, templates).filter((grant) => grant.includes('/catalogues/')),
        [
          `s3:GetObject on \${Data.ArtifactBucket.Arn}/catalogues/${name}/3/????????????????`,
          `s3:GetObject on \${Data.ArtifactBucket.Arn}/catalogues/${name}/3/current`,
        ],
      );
    }
  }
});

test('roles are for Lambda only and carry no managed policy', () => {
  assert.equal(Object.keys(roles).length, 2 * models.length + 1);
  for (const [name, { Properties }] of Object.entries(roles)) {
    assert.equal(Properties.ManagedPolicyArns, undefined, name);
    const [statement, ...others] = Properties.AssumeRolePolicyDocument.Statement;
    assert.deepEqual(others, [], name);
    assert.deepEqual(statement.Principal, { Service: 'lambda.amazonaws.com' }, name);
  }
});

test('no policy is attached from outside a role', () => {
  prod.serving.resourceCountIs('AWS::IAM::Policy', 0);
  prod.serving.resourceCountIs('AWS::IAM::ManagedPolicy', 0);
  prod.data.resourceCountIs('AWS::IAM::Role', 0);
  prod.data.resourceCountIs('AWS::IAM::Policy', 0);
});

test('only this API may invoke an API function, through its alias, and nobody a queue function', () => {
  const permissions = Object.values(resources(prod.serving, 'AWS::Lambda::Permission')).map(({ Properties }) => [
    Properties.Action,
    Properties.Principal,
    render(Properties.FunctionName, prod),
    render(Properties.SourceArn, prod),
  ]);
  assert.deepEqual(
    permissions,
    models.map(({ name }) => [
      'lambda:InvokeFunction',
      'apigateway.amazonaws.com',
      `\${${pascalCase(name)}ApiLiveAlias}`,
      'arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${PredictionApiHttpApi}/*/*',
    ]),
  );
});
