/** `npm run check`: format, lint, types and unused code, side by side; prints each tool's output only when it fails. */
import { spawn } from 'node:child_process';

const checks: Record<string, string[]> = {
  format: ['prettier', '--check', '--log-level', 'warn', '.'],
  lint: ['oxlint', '--type-aware', '--deny-warnings', '.'],
  types: ['tsc', '-p', 'tsconfig.json'],
  'types (web)': ['tsc', '-p', 'web/tsconfig.json'],
  unused: ['knip'],
};

async function run(name: string, [command = '', ...args]: string[]): Promise<boolean> {
  const startedAt = Date.now();
  const child = spawn(`node_modules/.bin/${command}`, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve(status ?? 1));
  });
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
  console.log(`${code === 0 ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)`);
  if (code !== 0) console.log(output);
  return code === 0;
}

const names = process.argv.slice(2);
const selected = Object.entries(checks).filter(([name]) => names.length === 0 || names.some((n) => name.startsWith(n)));
const results = await Promise.all(selected.map(([name, command]) => run(name, command)));
process.exitCode = results.every(Boolean) ? 0 : 1;
