import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import { findStage, type ModelConfig, models } from '../lib/config';
import { buildCommandFor, cargoLambdaCode } from '../lib/function-code';
import { temporaryDirectory } from './support';

// The first 20 bytes of an ELF executable end with the machine it is for.
function lambdaDirectory(machine: number): string {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'm'));
  const header = Buffer.alloc(64);
  header.write('\x7fELF', 'latin1');
  header.writeUInt16LE(machine, 18);
  writeFileSync(join(directory, 'm', 'bootstrap'), header);
  return directory;
}

test('takes the binary of the right architecture', () => {
  cargoLambdaCode(lambdaDirectory(0xb7), Architecture.ARM_64, 'make it')('m');
  cargoLambdaCode(lambdaDirectory(0x3e), Architecture.X86_64, 'make it')('m');
});

test('refuses a binary of the wrong architecture', () => {
  assert.throws(
    () => cargoLambdaCode(lambdaDirectory(0x3e), Architecture.ARM_64, 'make it')('m'),
    /m\/bootstrap is not an arm64 executable; run "make it"/,
  );
});

test('says how to build a missing binary', () => {
  assert.throws(
    () => cargoLambdaCode(temporaryDirectory(), Architecture.ARM_64, 'make it')('m'),
    /m\/bootstrap is missing; run "make it"/,
  );
});

test('refuses what is no binary', () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'm'));
  writeFileSync(join(directory, 'm', 'bootstrap'), '#!/bin/sh\n');
  assert.throws(() => cargoLambdaCode(directory, Architecture.ARM_64, 'make it')('m'), /is not an arm64 executable/);
});

test('the build command names every function, and for AWS the profile and the architecture', () => {
  const [first] = models as readonly [ModelConfig];
  const deployed = [first, { ...first, name: 'offer-ranking' }];
  assert.equal(
    buildCommandFor(findStage('prod'), deployed),
    'cargo lambda build --profile shipping --arm64 -p fraud-detection -p offer-ranking -p feature-ingest',
  );
  assert.equal(buildCommandFor(findStage('local'), deployed), 'make build');
});
