/** Commands that work without a control process. */
import assert from 'node:assert/strict';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { silentLog } from '../../src/core/ports/log.ts';
import { systemClock } from '../../src/core/system-clock.ts';
import { loadEncryptionKey } from '../../src/store/encryption.ts';
import { acquireWriterLock } from '../../src/store/lock.ts';
import { openSqliteStore } from '../../src/store/sqlite-store.ts';
import { tempDir, type TempDir } from '../support/tempdir.ts';
import { cli, type CliRun } from './running.ts';

const yaml = `issuers: { local: { ca: {} } }
certificates:
  shop: { dnsNames: [shop.localhost, "*.shop.localhost"], lifetime: 90d }
  old: { dnsNames: [old.localhost], key: { algorithm: rsa, size: 4096 } }
`;

async function installed(
  text = yaml,
): Promise<{ dir: TempDir; run: (argv: string[]) => Promise<CliRun> } & AsyncDisposable> {
  const dir = await tempDir();
  await writeFile(dir.join('certplane.yaml'), text);
  return {
    dir,
    run: async (argv) => await cli(argv, { cwd: dir.path, env: { PATH: '/usr/bin:/bin' } }),
    [Symbol.asyncDispose]: async () => await dir[Symbol.asyncDispose](),
  };
}

async function write(dataDir: string, value: string | undefined): Promise<string | undefined> {
  const { key } = await loadEncryptionKey({ dataDir, env: {}, createIfMissing: true });
  using _lock = acquireWriterLock(dataDir);
  await using store = await openSqliteStore({ dataDir, key, clock: systemClock, log: silentLog });
  if (value !== undefined) await store.put('setting', { key: 'test', value: { value }, expect: 'any' });
  return (await store.find('setting', 'test'))?.value.value;
}

test('plan shows what the file asks for, and says that it is only the file', async () => {
  await using one = await installed();
  const { code, stdout, stderr } = await one.run(['plan']);
  assert.equal(code, 0);
  assert.deepEqual(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/)),
    [
      ['CERTIFICATE', 'NAMES', 'FROM', 'KEY'],
      ['file/old', 'old.localhost', 'local', 'RSA 4096'],
      ['file/shop', 'shop.localhost, *.shop.localhost', 'local', 'ECDSA P-256, for 90d'],
    ],
  );
  assert.match(stderr, /^No control process is running: this is what \S+certplane\.yaml asks for \(2 certificates\)\./);
  const json = JSON.parse((await one.run(['plan', '--json'])).stdout) as { source: string; items: unknown[] };
  assert.deepEqual([json.source, json.items.length], ['config', 2]);
});

test('plan of a broken file shows its problems', async () => {
  await using one = await installed('certificates: { a: {} }');
  const { code, stderr } = await one.run(['plan']);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^certplane: \S+certplane\.yaml has one problem: \[config\.invalid\]\n\S+:1:17: error: certificates\.a\.dnsNames: This is required/,
  );
});

test('doctor looks at what it can, and the missing control process is a problem', async () => {
  await using one = await installed();
  const { code, stdout } = await one.run(['doctor']);
  assert.equal(code, 1);
  const lines = stdout.split('\n');
  assert.match(lines[0] ?? '', /^ {2}✓ Configuration file: \S+certplane\.yaml is valid with 1 warning/);
  assert.match(
    lines[1] ?? '',
    /^ {2}✗ Control process: No control process answers at .* \[process\.control-unreachable\]$/,
  );
  assert.equal(lines[2], '1 problem found.');
  await writeFile(one.dir.join('certplane.yaml'), 'nonsense: [');
  assert.match(
    (await one.run(['doctor'])).stdout,
    /✗ Configuration file: .* has one problem: .*\[config\.invalid\]\n {6}Correct the file;/,
  );
});

test('check prints every problem with its place and exits 1, or a summary and exits 0', async () => {
  await using one = await installed();
  const fine = await one.run(['check']);
  assert.equal(fine.code, 0);
  assert.match(fine.stdout, /: warning: dataDir: The encryption key is a generated file/);
  assert.match(fine.stdout, /\nok: \S+certplane\.yaml \(2 certificates, 1 issuer\)\n$/);
  await writeFile(one.dir.join('certplane.yaml'), 'admim: {}\ncertificates: { a: { dnsNames: [] } }\n');
  const broken = await one.run(['check']);
  assert.equal(broken.code, 1);
  const file = one.dir.join('certplane.yaml');
  assert.equal(
    broken.stdout,
    `${file}:1:1: error: admim: The option "admim" is not known here; write admin.\n` +
      `${file}:2:22: error: certificates.a.dnsNames: The list is empty; write [shop.example.com].\n` +
      `2 errors in ${file}\n`,
  );
  const json = JSON.parse((await one.run(['check', '--json'])).stdout) as { ok: boolean; problems: { line: number }[] };
  assert.deepEqual([json.ok, json.problems.map(({ line }) => line)], [false, [1, 2]]);
});

test('check names the ACME directory that starting would accept the terms of', async () => {
  await using one = await installed('terminator: { routes: [{ hosts: [shop.example.com], respond: {} }] }');
  assert.match(
    (await one.run(['check'])).stdout,
    /\nissuer letsencrypt: https:\/\/acme-v02\.api\.letsencrypt\.org\/directory \(starting accepts its terms of service\)\n/,
  );
});

test('check --options prints the table of all options', async () => {
  await using one = await installed();
  const { stdout } = await one.run(['check', '--options']);
  assert.match(stdout, /^\| Option \| Unit \| Default \| Meaning \|\n/);
  const options = JSON.parse((await one.run(['check', '--options', '--json'])).stdout) as { path: string }[];
  assert.ok(options.some(({ path }) => path === 'terminator.routes[].hosts'));
});

test('a backup taken and restored without a control process brings everything back', async () => {
  await using one = await installed();
  const dataDir = one.dir.join('data');
  await write(dataDir, 'before');
  const file = one.dir.join('certs.backup');
  assert.deepEqual(await one.run(['backup', 'certs.backup']), {
    code: 0,
    stdout: `Backup written to ${file} (no control process is running). It holds private keys: keep it safe.\n`,
    stderr: '',
  });
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  await write(dataDir, 'after');
  const refused = await one.run(['restore', 'certs.backup']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /\[store\.exists\]\n$/);
  const restored = await one.run(['restore', 'certs.backup', '--force']);
  assert.equal(restored.code, 0);
  assert.match(
    restored.stdout,
    /^Restored the backup of .* UTC to \S+\. The encryption key is \S+\.\nWhat was there before is in \S+\.\n$/,
  );
  assert.equal(await write(dataDir, undefined), 'before');
});

test('restore is refused while the data directory is in use, also when nothing answers', async () => {
  await using one = await installed();
  const dataDir = one.dir.join('data');
  await write(dataDir, 'here');
  await one.run(['backup', 'certs.backup']);
  using _lock = acquireWriterLock(dataDir);
  const { code, stderr } = await one.run(['restore', 'certs.backup', '--force']);
  assert.equal(code, 1);
  assert.match(stderr, /\[store\.locked\]\n$/);
});

test('backup and restore say what is wrong with their files', async () => {
  await using one = await installed();
  assert.match((await one.run(['backup', 'certs.backup'])).stderr, /\[store\.(?:key-missing|not-found)\]\n$/);
  await writeFile(one.dir.join('no.backup'), 'nothing');
  assert.match((await one.run(['restore', 'no.backup'])).stderr, /\[store\.backup-invalid\]\n$/);
  assert.ok(!(await readdir(one.dir.path)).includes('certs.backup'));
});

test('other commands say that nothing answers', async () => {
  await using one = await installed();
  for (const argv of [['list'], ['show', 'shop'], ['renew', 'shop'], ['reload'], ['token', 'list']]) {
    const { code, stderr } = await one.run(argv);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^certplane: No control process answers at \S+\/data\/run\/admin\.sock; start it with .* \[process\.control-unreachable\]\n$/,
    );
  }
});
