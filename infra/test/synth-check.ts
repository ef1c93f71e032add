// Synthesises every stage with stub binaries into cdk.out/<stage>; fails on any cdk-nag finding or CDK warning.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { stages } from '../lib/config';

const infra = join(__dirname, '..');
for (const { name } of stages) {
  const output = join('cdk.out', name);
  const { status } = spawnSync(
    join(infra, 'node_modules', '.bin', 'cdk'),
    [
      'synth',
      '**',
      ...['--app', 'node --import tsx test/stub-app.ts'],
      ...['--context', `stage=${name}`],
      ...['--output', output],
      '--strict',
      '--quiet',
      '--no-notices',
    ],
    { cwd: infra, stdio: 'inherit', env: { ...process.env, CDK_HOME: join(infra, 'cdk.out', '.cdk') } },
  );
  if (status !== 0) {
    console.error(`stage ${name}: synthesis failed or has findings`);
    process.exit(1);
  }
  console.log(`stage ${name}: no findings; templates in infra/${output}`);
}
