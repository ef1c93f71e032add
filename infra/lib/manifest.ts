import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a deployment needs to know of a model's committed manifest. */
export interface ModelManifest {
  readonly name: string;
  readonly version: string;
  readonly artifactFile: string;
  /** The DynamoDB tables of the feature views that Feast materialises, each once. */
  readonly feastTables: readonly string[];
  /** Whether the model ranks the offers of a catalogue, which is published beside its artifact. */
  readonly ranksOffers: boolean;
  /** The names of the other feature views, whose rows are loaded from files. */
  readonly nativeViews: readonly string[];
}

// Names, versions and file names become S3 key segments, ARN parts and environment values.
const KEY_SEGMENT = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
// A DynamoDB table's name. It becomes a part of an ARN, where anything else could widen a permission.
const TABLE_NAME = /^[A-Za-z0-9_.-]{3,255}$/;
// It becomes a part of an environment value, where `,` and `=` stand between parts.
const VIEW_NAME = /^[A-Za-z0-9_.-]+$/;

/**
 * Reads `functions/<model>/model/manifest.json`, the only place that states a model's version and
 * artifact. The functions check the whole manifest when they load the model; here only the fields
 * that shape the deployment are.
 */
export function readModelManifest(functionsDirectory: string, model: string): ModelManifest {
  const path = join(functionsDirectory, model, 'model', 'manifest.json');
  const manifest = parse(path, model);
  const name = keySegment(path, 'name', manifest.name);
  if (name !== model) {
    throw new Error(`${path}: "name" is "${name}", but lib/config.ts calls the model "${model}"`);
  }
  return {
    name,
    version: keySegment(path, 'version', manifest.version),
    artifactFile: keySegment(path, 'artifact.file', manifest.artifact?.file),
    feastTables: feastTables(path, manifest.feature_views),
    ranksOffers: manifest.catalogue !== undefined,
    nativeViews: nativeViews(path, manifest.feature_views),
  };
}

function featureViews(path: string, views: unknown = []): (RawFeatureView | null)[] {
  if (!Array.isArray(views)) {
    throw new Error(`${path}: "feature_views" must be a list`);
  }
  return views;
}

function nativeViews(path: string, views: unknown): string[] {
  return featureViews(path, views).flatMap((view, index) =>
    view?.layout === 'feast' ? [] : [viewName(path, `feature_views[${index}].name`, view?.name)],
  );
}

function feastTables(path: string, views: unknown): string[] {
  const tables = featureViews(path, views).flatMap((view, index) => {
    if (view?.layout !== 'feast') {
      return [];
    }
    if (typeof view.table !== 'string' || !TABLE_NAME.test(view.table)) {
      throw new Error(
        `${path}: "feature_views[${index}].table" must be the name of a DynamoDB table, got ${JSON.stringify(view.table)}`,
      );
    }
    return [view.table];
  });
  return [...new Set(tables)].sort();
}

interface RawManifest {
  name?: unknown;
  version?: unknown;
  artifact?: { file?: unknown };
  feature_views?: unknown;
  catalogue?: unknown;
}

interface RawFeatureView {
  name?: unknown;
  layout?: unknown;
  table?: unknown;
}

function parse(path: string, model: string): RawManifest {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new Error(
      `${path}: cannot be read. Model "${model}" of lib/config.ts needs a trained model; run "make train MODEL=${model}"`,
      { cause },
    );
  }
  let manifest: unknown;
  try {
    manifest = JSON.parse(text);
  } catch (cause) {
    throw new Error(`${path}: is not JSON`, { cause });
  }
  if (typeof manifest !== 'object' || manifest === null) {
    throw new Error(`${path}: is not a JSON object`);
  }
  return manifest;
}

function viewName(path: string, field: string, value: unknown): string {
  if (typeof value !== 'string' || !VIEW_NAME.test(value)) {
    throw new Error(
      `${path}: "${field}" must be a string of letters, digits, ".", "_" and "-", got ${JSON.stringify(value)}`,
    );
  }
  return value;
}

function keySegment(path: string, field: string, value: unknown): string {
  if (typeof value !== 'string' || !KEY_SEGMENT.test(value)) {
    throw new Error(
      `${path}: "${field}" must be a string of letters, digits, ".", "_" and "-", got ${JSON.stringify(value)}`,
    );
  }
  return value;
}
