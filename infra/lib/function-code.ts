import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { Architecture, Code } from 'aws-cdk-lib/aws-lambda';
import { INGEST_FUNCTION, type ModelConfig, type StageConfig } from './config';

/** Where a function's deployment package comes from, by the name of its binary. Tests inject a stub, so they need no compiled binary. */
export type FunctionCode = (binary: string) => Code;

/** The architecture of the machine that runs this, as Lambda names it. */
export const hostArchitecture: Architecture = process.arch === 'arm64' ? Architecture.ARM_64 : Architecture.X86_64;

// e_machine of the ELF header, https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
const ELF_MAGIC = 0x7f454c46;
const ELF_MACHINE = new Map([
  [Architecture.X86_64.name, 0x3e],
  [Architecture.ARM_64.name, 0xb7],
]);

/** What builds the packages of a stage. */
export function buildCommandFor(stage: StageConfig, models: readonly ModelConfig[]): string {
  const names = [...models.map(({ name }) => name), INGEST_FUNCTION];
  const packages = names.map((name) => `-p ${name}`).join(' ');
  return stage.local ? 'make build' : `cargo lambda build --profile shipping --arm64 ${packages}`;
}

/**
 * The packages that `cargo lambda build` leaves in `target/lambda/<binary>/`.
 *
 * Lambda accepts a binary for the wrong architecture and then fails every invocation, so a mismatch
 * is refused here, before anything is deployed, with the command that builds the right one.
 */
export function cargoLambdaCode(
  lambdaDirectory: string,
  architecture: Architecture,
  buildCommand: string,
): FunctionCode {
  return (binary) => {
    const packageDirectory = join(lambdaDirectory, binary);
    const header = readHeader(join(packageDirectory, 'bootstrap'), buildCommand);
    if (header.readUInt32BE(0) !== ELF_MAGIC || header.readUInt16LE(18) !== ELF_MACHINE.get(architecture.name)) {
      throw new Error(`${packageDirectory}/bootstrap is not an ${architecture.name} executable; run "${buildCommand}"`);
    }
    return Code.fromAsset(packageDirectory);
  };
}

function readHeader(path: string, buildCommand: string): Buffer {
  const header = Buffer.alloc(20);
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (cause) {
    throw new Error(`${path} is missing; run "${buildCommand}"`, { cause });
  }
  try {
    readSync(file, header);
  } finally {
    closeSync(file);
  }
  return header;
}
