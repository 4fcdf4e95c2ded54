/** What people do through npm: install from the lock file, start, stop. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { repository } from '../support/certplane.ts';
import { fetchOnce } from '../support/http.ts';
import { spawnNpm } from '../support/npm.ts';
import { groupProcesses } from '../support/process-tree.ts';
import { bannerOf, quickstart } from '../support/quickstart.ts';
import { tempDir } from '../support/tempdir.ts';

for (const { what, signal, toGroup } of [
  { what: 'Ctrl-C', signal: 'SIGINT', toGroup: true },
  { what: 'SIGTERM to npm', signal: 'SIGTERM', toGroup: false },
] as const) {
  test(`never (§5.10): ${what} ends npm start with 0 and leaves nothing running`, async () => {
    await using dir = await tempDir();
    const { yaml, ports } = await quickstart();
    const file = dir.join('quickstart.yaml');
    await writeFile(file, yaml);
    await using npmStart = spawnNpm(['start', '--', '--config', file], repository);
    await bannerOf(npmStart);
    const ca = await readFile(dir.join('data', 'ca', 'local.pem'), 'utf8');
    const served = await fetchOnce(`https://hello.localhost:${ports.https}/`, { ca, connectTo: { port: ports.https } });
    assert.equal(served.body, 'hello over TLS\n');
    // A terminal sends the signal to every process of the foreground group.
    process.kill(toGroup ? -npmStart.pid : npmStart.pid, signal);
    assert.deepEqual(await npmStart.exited, { code: 0, signal: null }, npmStart.output);
    assert.deepEqual(groupProcesses(npmStart.pid), []);
  });
}

interface LockedPackage {
  readonly resolved?: string;
  readonly link?: boolean;
  readonly integrity?: string;
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
  readonly peerDependencies?: Record<string, string>;
  readonly peerDependenciesMeta?: Record<string, { optional?: boolean }>;
}

async function lockedPackages(): Promise<Record<string, LockedPackage>> {
  const lock = JSON.parse(await readFile(join(repository, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, LockedPackage>;
  };
  return lock.packages;
}

/** Node's own search: the nearest node_modules on the way up. */
function isLocked(packages: Record<string, LockedPackage>, from: string, name: string): boolean {
  for (let place = from; ; place = place.slice(0, Math.max(0, place.lastIndexOf('/node_modules/')))) {
    if (packages[`${place === '' ? '' : `${place}/`}node_modules/${name}`] !== undefined) return true;
    if (place === '') return false;
  }
}

test('the lock file holds every package for every platform, as npm ci demands', async () => {
  const packages = await lockedPackages();
  const missing = Object.entries(packages).flatMap(([place, locked]) => {
    const needed = { ...locked.dependencies, ...locked.devDependencies, ...locked.optionalDependencies };
    for (const [name, range] of Object.entries(locked.peerDependencies ?? {}))
      if (locked.peerDependenciesMeta?.[name]?.optional !== true) needed[name] = range;
    return Object.keys(needed)
      .filter((name) => !isLocked(packages, place, name))
      .map((name) => `${place} needs ${name}`);
  });
  assert.deepEqual(missing, []);
});

test('the lock file names no registry and vouches for every package', async () => {
  for (const [place, { resolved, link, integrity }] of Object.entries(await lockedPackages())) {
    if (!place.startsWith('node_modules/')) continue;
    if (link === true) assert.doesNotMatch(resolved ?? '', /:/, place);
    else {
      assert.equal(resolved, undefined, place);
      assert.match(integrity ?? '', /^sha512-/, place);
    }
  }
});
