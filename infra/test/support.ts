import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Code } from 'aws-cdk-lib/aws-lambda';
import { addSardonyx, type SardonyxStacks } from '../lib/app';
import { findStage, type ModelConfig, models, type StageConfig } from '../lib/config';
import type { FunctionCode } from '../lib/function-code';

export const stubCode: FunctionCode = () => Code.fromAsset(join(__dirname, 'fixtures', 'bootstrap'));

export interface SynthOptions {
  readonly stage?: StageConfig;
  readonly models?: readonly ModelConfig[];
  /** The feature views in the manifest of every model. */
  readonly featureViews?: readonly unknown[];
  /** The catalogue in the manifest of every model. */
  readonly catalogue?: unknown;
}

export interface Synthesised {
  readonly stacks: SardonyxStacks;
  readonly data: Template;
  readonly serving: Template;
}

const synthesised = new Map<string, Synthesised>();

/** The templates of one stage, with stub binaries and with version 3 of every model. */
export function synth({
  stage = findStage('prod'),
  models: deployed = models,
  featureViews = [],
  catalogue,
}: SynthOptions = {}): Synthesised {
  const manifest = { feature_views: featureViews, catalogue };
  const key = JSON.stringify([stage, deployed, manifest]);
  const templates = synthesised.get(key) ?? synthesise(stage, deployed, manifest);
  synthesised.set(key, templates);
  return templates;
}

function synthesise(stage: StageConfig, deployed: readonly ModelConfig[], fields: object): Synthesised {
  const functionsDirectory = temporaryDirectory();
  for (const { name } of deployed) {
    writeManifest(functionsDirectory, name, { name, version: '3', artifact: { file: 'model.onnx' }, ...fields });
  }
  const app = new App({ outdir: temporaryDirectory() });
  const stacks = addSardonyx(app, { stage, models: deployed, functionsDirectory, code: stubCode });
  return { stacks, data: Template.fromStack(stacks.data), serving: Template.fromStack(stacks.serving) };
}

export function writeManifest(functionsDirectory: string, model: string, manifest: unknown): void {
  const directory = join(functionsDirectory, model, 'model');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'manifest.json'), typeof manifest === 'string' ? manifest : JSON.stringify(manifest));
}

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sardonyx-infra-'));
  temporaryDirectories.push(directory);
  return directory;
}

const temporaryDirectories: string[] = [];
process.on('exit', () => {
  for (const directory of temporaryDirectories) {
    rmSync(directory, { recursive: true, force: true });
  }
});

export interface Resource {
  readonly Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: a resource's properties have as many shapes as there are types.
  readonly Properties: any;
  readonly DeletionPolicy?: string;
  readonly DependsOn?: readonly string[];
}

/** Resources of a type by logical id without CDK's hash, for ids that a person can read in a failure. */
export function resources(template: Template, type: string): Record<string, Resource> {
  return Object.fromEntries(
    Object.entries(template.findResources(type)).map(([id, resource]) => [readableId(id), resource as Resource]),
  );
}

export function readableId(logicalId: string): string {
  return logicalId.replace(/[0-9A-F]{8}$/, '');
}

/**
 * A template value with its references written out, e.g.
 * `${Data.ArtifactBucket.Arn}/models/fraud-detection/3/model.onnx`. Imports are followed to what they export.
 */
export function render(value: unknown, templates: Synthesised): string {
  if (typeof value !== 'object' || value === null) {
    return String(value);
  }
  const intrinsic = value as Record<string, unknown>;
  if (typeof intrinsic.Ref === 'string') {
    return `\${${readableId(intrinsic.Ref)}}`;
  }
  if (Array.isArray(intrinsic['Fn::GetAtt'])) {
    const [id, attribute] = intrinsic['Fn::GetAtt'];
    return `\${${readableId(id)}.${attribute}}`;
  }
  if (Array.isArray(intrinsic['Fn::Join'])) {
    const [separator, parts] = intrinsic['Fn::Join'];
    return parts.map((part: unknown) => render(part, templates)).join(separator);
  }
  if (typeof intrinsic['Fn::ImportValue'] === 'string') {
    return render(exportedValue(intrinsic['Fn::ImportValue'], templates.data), templates).replace('${', '${Data.');
  }
  throw new Error(`no rendering for ${JSON.stringify(value)}`);
}

function exportedValue(name: string, data: Template): unknown {
  const output = Object.values(data.toJSON().Outputs as Record<string, { Value: unknown; Export?: { Name: string } }>);
  const match = output.find((candidate) => candidate.Export?.Name === name);
  if (match === undefined) {
    throw new Error(`the data stack does not export ${name}`);
  }
  return match.Value;
}

interface Statement {
  Effect: string;
  Action: string | string[];
  Resource: unknown;
}

/** What a role may do, as `action on resource`. */
export function grants(role: Resource | undefined, templates: Synthesised): string[] {
  const policies: { PolicyDocument: { Statement: Statement[] } }[] = role?.Properties.Policies ?? [];
  return policies
    .flatMap(({ PolicyDocument }) => PolicyDocument.Statement)
    .flatMap(({ Effect, Action, Resource }) => {
      assert.equal(Effect, 'Allow');
      return [Action]
        .flat()
        .flatMap((action) => [Resource].flat().map((on) => `${action} on ${render(on, templates)}`));
    })
    .sort();
}
