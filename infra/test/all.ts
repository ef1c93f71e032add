// Every test file in one process: each process of its own would load and warm up the CDK again.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

for (const file of readdirSync(__dirname).sort()) {
  if (file.endsWith('.test.ts')) {
    require(join(__dirname, file));
  }
}
