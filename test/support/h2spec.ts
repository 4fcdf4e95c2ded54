/** Finds h2spec, the conformance tests of HTTP/2 servers, or builds it from its Go module (./h2spec) into the project's cache. */
import { existsSync, readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { cacheDir, withCacheLock } from './cache.ts';
import { runProgram } from './process.ts';

const moduleDir = join(import.meta.dirname, 'h2spec');
const environment = { ...process.env, CGO_ENABLED: '0', GOTOOLCHAIN: 'local', GOWORK: 'off', GOFLAGS: '' };

/** Its path; without Go, or without the module, the test is skipped with a line that says so, and fails with CI=true. */
export async function h2specOrSkip(t: TestContext): Promise<string | undefined> {
  const sums = readFileSync(join(moduleDir, 'go.sum'));
  const digest = createHash('sha256').update(sums).update(`${process.platform}-${process.arch}`).digest('hex');
  const path = cacheDir('h2spec', digest.slice(0, 12));
  if (existsSync(path)) return path;
  const problem = await withCacheLock(
    'h2spec',
    () => undefined,
    async () => await build(path),
  );
  if (problem === undefined) return path;
  if (process.env['CI'] === 'true') throw new Error(problem);
  t.skip(problem);
  return undefined;
}

/** Undefined, or why there is none. */
async function build(path: string): Promise<string | undefined> {
  if (existsSync(path)) return undefined;
  await mkdir(dirname(path), { recursive: true });
  const work = `${path}.${process.pid}`;
  try {
    const options = { name: 'go', cwd: moduleDir, env: environment, timeoutMs: 300_000 };
    const built = await runProgram(
      'go',
      ['build', '-mod=readonly', '-trimpath', '-buildvcs=false', '-o', work, 'tool'],
      options,
    );
    if (built.code !== 0) return `needs h2spec, which could not be built:\n${built.stderr}`;
    await rename(work, path);
    return undefined;
  } catch (error) {
    return `needs h2spec: install Go 1.25 or newer to build it (${error instanceof Error ? error.message : String(error)})`;
  }
}
