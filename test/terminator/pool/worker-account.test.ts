import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import test from 'node:test';
import { silentLog } from '../../../src/core/ports/log.ts';
import { WorkerAccount } from '../../../src/terminator/pool/worker-account.ts';
import { tempDir } from '../../support/tempdir.ts';
import { until } from '../../support/until.ts';
import { respondRoute, startTerminator, type TerminatorOptions, type TestTerminator } from '../support/harness.ts';

const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
const needsRoot = isRoot ? false : 'needs to run as root on Linux';
/** On every Linux: `nobody`, by number where the name of its group differs. */
const nobody = 65_534;

interface Told {
  readonly account: WorkerAccount;
  readonly warnings: string[];
  problem: string | undefined;
}

function watched(): Told {
  const warnings: string[] = [];
  const told: Told = {
    account: new WorkerAccount({
      log: { warn: (message) => void warnings.push(message) },
      onProblem: (found) => (told.problem = found && `${found.code}: ${found.message}`),
    }),
    warnings,
    problem: undefined,
  };
  return told;
}

test('workers of root without terminator.user: one warning', { skip: needsRoot }, async () => {
  const told = watched();
  for (let i = 0; i < 2; i += 1) assert.equal(await told.account.settle(undefined), undefined);
  assert.deepEqual(told.warnings, ['Workers run as root. Write terminator.user, and they give its rights up.']);
  assert.deepEqual([told.account.account, told.account.asRoot, told.problem], [undefined, true, undefined]);
});

test('no worker starts as a user who is not there; a change takes a restart', { skip: needsRoot }, async () => {
  const told = watched();
  const error = await told.account.settle({ user: 'no-such-user' });
  assert.equal(error?.code, 'terminator.user-unusable');
  assert.match(error.message, /no user "no-such-user"/);
  assert.equal(await told.account.settle({ user: 'nobody', group: '7' }), undefined);
  assert.deepEqual(told.account.account, { uid: nobody, gid: 7, name: 'nobody' });
  assert.equal(await told.account.settle(undefined), undefined);
  assert.match(told.problem ?? '', /^config\.restart-needed: terminator\.user/);
  assert.equal(told.account.account?.uid, nobody, 'as before');
  assert.equal(await told.account.settle({ user: 'nobody', group: '7' }), undefined);
  assert.deepEqual([told.problem, told.warnings], [undefined, []]);
});

test('who is not root cannot change the user, and is told so', async (t) => {
  if (process.getuid === undefined) return t.skip('needs users');
  t.mock.method(process as { getuid(): number }, 'getuid', () => 1_000);
  const told = watched();
  assert.equal(await told.account.settle({ user: 'nobody' }), undefined);
  assert.match(
    told.problem ?? '',
    /^terminator\.user-unusable: Workers cannot run as nobody, because that needs root\./,
  );
  assert.deepEqual([told.account.account, told.account.asRoot], [undefined, false]);
});

async function lowPort(): Promise<number> {
  for (let port = 1_023; port > 900; port -= 1) {
    const server = createServer();
    server.listen(port, '127.0.0.1');
    const free = await Promise.race([
      once(server, 'listening').then(() => true),
      once(server, 'error').then(() => false),
    ]);
    server.close();
    if (free) return port;
  }
  throw new Error('no port below 1024 is free');
}

async function asNobody(options: TerminatorOptions = {}): Promise<TestTerminator> {
  const terminator = await startTerminator({
    ...options,
    routes: [respondRoute('a.test', 'a')],
    settings: { runAs: { user: 'nobody' }, ...options.settings },
  });
  await terminator.serve('file/a', 1, 'a.test');
  return terminator;
}

test('workers of root become another user for good and serve a port below 1024', { skip: needsRoot }, async () => {
  const https = [{ host: '127.0.0.1', port: await lowPort() }];
  await using terminator = await asNobody({ settings: { runAs: { user: 'nobody' }, https } });
  const workers = (): number[] => terminator.supervisor.status().workers.map(({ pid }) => pid);
  const areNobody = async (): Promise<void> => {
    for (const pid of workers()) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8');
      const field = (name: string): string | undefined => new RegExp(`^${name}:\\s+(.*?)\\s*$`, 'm').exec(status)?.[1];
      for (const ids of [field('Uid'), field('Gid')]) assert.deepEqual(new Set(ids?.split('\t')), new Set(['65534']));
      assert.doesNotMatch(field('Groups') ?? '', /(^|\s)0(\s|$)/);
      for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb']) assert.match(field(set) ?? '', /^0+$/, set);
    }
  };
  assert.equal((await terminator.fetch('a.test', '/')).body, 'a');
  await areNobody();
  // One that takes the place of another is no different.
  const [killed] = workers() as [number];
  process.kill(killed, 'SIGKILL');
  await until(() => workers().length === 2 && !workers().includes(killed));
  const options = { port: https[0]?.port ?? 0 };
  for (let i = 0; i < 4; i += 1) (await terminator.handshake('a.test', options)).destroy();
  await until(async () => (await areNobody(), true)); // it has to load before it can
  assert.ok(terminator.supervisor.status().workers.every(({ asRoot }) => asRoot === undefined));
});

test('a user who is not there keeps the terminator from starting', { skip: needsRoot }, async () => {
  await assert.rejects(asNobody({ settings: { runAs: { user: 'no-such-user' } } }), {
    code: 'terminator.user-unusable',
  });
});

test(
  'the access log is opened before rights are given up, and is of that user where it is new',
  { skip: needsRoot },
  async () => {
    await using directory = await tempDir();
    await chmod(directory.path, 0o755);
    const closed = directory.join('closed');
    await mkdir(closed, { mode: 0o700 });
    const file = `${closed}/access.log`;
    await using terminator = await asNobody({ settings: { accessLog: { format: 'json', file, sample: 1 } } });
    const lines = async (): Promise<number> => (await readFile(file, 'utf8')).split('\n').length - 1;
    await terminator.fetch('a.test', '/');
    await until(async () => (await lines()) === 1);
    assert.equal((await stat(file)).uid, nobody);
  },
);

test(
  'never (§5.9): where another user may write, rights of root open no link to elsewhere',
  { skip: needsRoot },
  async () => {
    await using directory = await tempDir();
    await chmod(directory.path, 0o755);
    const theirs = directory.join('theirs');
    await mkdir(theirs);
    await chown(theirs, nobody, nobody);
    const secret = directory.join('secret');
    await writeFile(secret, 'untouched', { mode: 0o600 });
    await symlink(secret, `${theirs}/access.log`);
    const accessLog = { format: 'json', file: `${theirs}/access.log`, sample: 1 } as const;
    const warnings: string[] = [];
    const log = { ...silentLog, warn: (message: string) => void warnings.push(message) };
    await using terminator = await asNobody({ log, settings: { accessLog } });
    await terminator.fetch('a.test', '/');
    await until(() => warnings.some((one) => /access log cannot be written: EACCES/.test(one)));
    assert.equal(await readFile(secret, 'utf8'), 'untouched');
    assert.equal((await stat(secret)).uid, 0);
    // A file of their own in its place is opened with their own rights.
    await rename(`${theirs}/access.log`, `${theirs}/old`);
    await terminator.fetch('a.test', '/');
    await until(async () => /"status":200/.test(await readFile(`${theirs}/access.log`, 'utf8')));
  },
);
