import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a deployment needs to know of a model's committed manifest. */
export interface ModelManifest {
  readonly name: string;
  readonly version: string;
  readonly artifactFile: string;
}

// Names, versions and file names become S3 key segments, ARN parts and environment values.
const KEY_SEGMENT = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

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
  };
}

interface RawManifest {
  name?: unknown;
  version?: unknown;
  artifact?: { file?: unknown };
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

function keySegment(path: string, field: string, value: unknown): string {
  if (typeof value !== 'string' || !KEY_SEGMENT.test(value)) {
    throw new Error(
      `${path}: "${field}" must be a string of letters, digits, ".", "_" and "-", got ${JSON.stringify(value)}`,
    );
  }
  return value;
}
