/** Commands that work without a control process. */
import assert from 'node:assert/strict';
import { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { silentLog } from '../../src/core/ports/log.ts';
import { systemClock } from '../../src/core/system-clock.ts';
import { loadConfig } from '../../src/config/load.ts';
import { readChain } from '../../src/core/bundle.ts';
import { specDigest, versionId, type CertificateSpec } from '../../src/core/certificate.ts';
import { EncryptionKey, loadEncryptionKey } from '../../src/store/encryption.ts';
import { acquireWriterLock } from '../../src/store/lock.ts';
import { openSqliteStore } from '../../src/store/sqlite-store.ts';
import { TestCa } from '../support/test-ca.ts';
import { tempDir, type TempDir } from '../support/tempdir.ts';
import { cli, cliNow, type CliRun } from './running.ts';

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

/** As if a control process had issued all of them at the start of 2026, for 90 days. */
async function issueAll(dataDir: string, specs: readonly CertificateSpec[]): Promise<void> {
  const { key } = await loadEncryptionKey({ dataDir, env: {}, createIfMissing: true });
  using _lock = acquireWriterLock(dataDir);
  await using store = await openSqliteStore({ dataDir, key, clock: systemClock, log: silentLog });
  const ca = await TestCa.create();
  for (const spec of specs) {
    const { fullchainPem, keyPem } = await ca.issue({ dnsNames: [...spec.dnsNames] });
    const id = versionId(spec.id, 1);
    const digest = specDigest(spec);
    const version = {
      ...readChain(fullchainPem),
      notBefore: cliNow,
      notAfter: cliNow + 90 * 86_400_000,
      id,
      certificateId: spec.id,
      number: 1,
      issuerName: 'local',
      chainPem: fullchainPem,
      digest,
      issuedAt: cliNow,
    };
    const record = { id: spec.id, spec, issuedDigest: digest, createdAt: cliNow, currentVersion: id, nextNumber: 2 };
    await store.put('version', { key: id, value: version, secret: { keyPem }, expect: 'absent' });
    await store.put('certificate', {
      key: spec.id,
      value: { ...record, failures: 0, outputs: {} },
      expect: 'absent',
    });
  }
}

test('plan shows what the first start would issue, and says that nothing is there yet', async () => {
  await using one = await installed();
  const { code, stdout, stderr } = await one.run(['plan']);
  assert.equal(code, 0, stderr);
  assert.deepEqual(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/)),
    [
      ['WHEN', 'WHAT', 'CERTIFICATE', 'WHY'],
      ['now', 'issue', 'file/old', 'There is no certificate yet.'],
      ['now', 'issue', 'file/shop', 'There is no certificate yet.'],
    ],
  );
  assert.match(
    stderr,
    /^From \S+certplane\.yaml; no control process is running: 2 actions, .* Nothing has been issued yet\.\n$/,
  );
  assert.deepEqual(await readdir(one.dir.path), ['certplane.yaml'], 'looking writes nothing');
  const json = JSON.parse((await one.run(['plan', '--json'])).stdout) as { source: string; items: unknown[] };
  assert.deepEqual([json.source, json.items.length], ['config', 2]);
});

const byId = (a: string[], b: string[]): number => ((a[2] ?? '') < (b[2] ?? '') ? -1 : 1);

test('plan knows from the state what is there, what changed and what left', async () => {
  await using one = await installed(`${yaml}  gone: { dnsNames: [gone.localhost] }\n`);
  const dataDir = one.dir.join('data');
  const { config } = await loadConfig({ file: one.dir.join('certplane.yaml'), env: {} });
  assert.ok(config !== undefined);
  await issueAll(dataDir, config.certificates);
  const rows = async (...argv: string[]): Promise<string[][]> => {
    const { code, stdout, stderr } = await one.run(['plan', ...argv]);
    assert.equal(code, 0, stderr);
    return stdout
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => line.split(/ {2,}/));
  };
  assert.deepEqual(
    (await rows()).toSorted(byId).map(([at, what, id]) => [/\(in (?:5[5-9]|60)d/.test(at ?? ''), what, id]),
    ['file/gone', 'file/old', 'file/shop'].map((id) => [true, 'renew', id]),
  );
  const changed = yaml.replace('"*.shop.localhost"', 'www.shop.localhost');
  await writeFile(one.dir.join('certplane.yaml'), `${changed}  new: { dnsNames: [new.localhost] }\n`);
  const found = new Map((await rows()).map(([at, what, id = '', why]) => [id, [at, what, why]]));
  assert.deepEqual(found.get('file/new'), ['now', 'issue', 'There is no certificate yet.']);
  assert.deepEqual(found.get('file/shop'), [
    'now',
    'renew',
    'Its names changed to shop.localhost, www.shop.localhost.',
  ]);
  assert.deepEqual(found.get('file/gone')?.slice(0, 2), ['now', 'remove']);
  assert.equal(found.get('file/old')?.[1], 'renew');
  assert.ok(!(await rows('--within', '1d')).some(([, , id]) => id === 'file/old'));

  await writeFile(one.dir.join('certplane.yaml'), 'issuers: { local: { ca: {} } }\n');
  assert.match(
    (await one.run(['plan'])).stderr,
    /Note: The new configuration removes 3 of 3 certificates; nothing was changed/,
  );
  const json = JSON.parse((await one.run(['plan', '--json'])).stdout) as { items: unknown[]; refusal: string };
  assert.deepEqual([json.items.length, typeof json.refusal], [3, 'string']);
});

test('plan --file looks at the file also while the data directory is in use, and not from elsewhere', async () => {
  await using one = await installed();
  await write(one.dir.join('data'), 'here');
  using _lock = acquireWriterLock(one.dir.join('data'));
  const { code, stdout, stderr } = await one.run(['plan', '--file']);
  assert.deepEqual([code, stdout.split('\n').length], [0, 4]);
  assert.match(stderr, /"certplane reload" applies it: 2 actions/);
  const remote = await one.run(['plan', '--file', '--url', 'https://certs.example.com']);
  assert.equal(remote.code, 2);
});

test('plan with a key that is not the one of the database says so', async () => {
  await using one = await installed();
  await write(one.dir.join('data'), 'here');
  await writeFile(one.dir.join('data', 'encryption.key'), EncryptionKey.generate().toFileContent());
  assert.match((await one.run(['plan'])).stderr, /\[store\.key-wrong\]\n$/);
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
  assert.match(lines[2] ?? '', /^ {6}Start it with/);
  assert.match(lines[3] ?? '', /^ {2}- Data directory: \S+data is made by the first start\.$/);
  assert.equal(lines.at(-2), '1 problem found.');
  assert.deepEqual(await readdir(one.dir.path), ['certplane.yaml'], 'looking writes nothing');
  await writeFile(one.dir.join('certplane.yaml'), 'nonsense: [');
  assert.match(
    (await one.run(['doctor'])).stdout,
    /✗ Configuration file: \S+ has one problem: \[config\.invalid\]\n {6}\S+:1:12: error: .*\n {6}Correct the file;/,
  );
});

test('doctor sees what is wrong with the state, and the way out', async (t) => {
  await using one = await installed();
  const dataDir = one.dir.join('data');
  await write(dataDir, 'here');
  const findings = async (): Promise<
    Record<string, { verdict: string; code: string; message: string; advice: string }>
  > => {
    const { checks } = JSON.parse((await one.run(['doctor', '--json'])).stdout) as {
      checks: { title: string; verdict: string; code: string; message: string; advice: string }[];
    };
    return Object.fromEntries(checks.map(({ title, ...rest }) => [title, rest]));
  };
  const fine = await findings();
  for (const title of ['Data directory', 'Disk space', 'In use', 'Encryption key', 'Database'])
    assert.equal(fine[title]?.verdict, 'ok', `${title}: ${fine[title]?.message}`);

  await t.test('somebody holds the lock and does not answer', async () => {
    using _lock = acquireWriterLock(dataDir);
    const inUse = (await findings())['In use'];
    assert.equal(inUse?.code, 'store.locked');
    assert.match(inUse.message, new RegExp(`^Process ${process.pid} uses `));
  });
  const keyFile = one.dir.join('data', 'encryption.key');
  const key = await readFile(keyFile, 'utf8');

  await t.test('the key is of another database', async () => {
    await writeFile(keyFile, EncryptionKey.generate().toFileContent());
    const database = (await findings())['Database'];
    assert.deepEqual([database?.verdict, database?.code], ['problem', 'store.key-wrong']);
    assert.match(database?.advice ?? '', /CERTPLANE_ENCRYPTION_KEY_FILE/);
    await writeFile(keyFile, key);
  });

  await t.test('others may read the key, or it is gone', async () => {
    await chmod(keyFile, 0o644);
    assert.match((await findings())['Encryption key']?.message ?? '', /chmod 600/);
    await rm(keyFile);
    const found = await findings();
    assert.deepEqual([found['Encryption key']?.code, found['Database']?.verdict], ['store.key-missing', 'skipped']);
    await writeFile(keyFile, key, { mode: 0o600 });
  });

  await t.test('the database is damaged', async () => {
    const file = one.dir.join('data', 'certplane.db');
    const size = (await stat(file)).size;
    for (const end of ['-wal', '-shm']) await rm(`${file}${end}`, { force: true });
    await writeFile(file, Buffer.alloc(size, 'x'));
    const database = (await findings())['Database'];
    assert.deepEqual([database?.verdict, database?.code], ['problem', 'store.corrupt']);
    assert.match(database?.advice ?? '', /certplane restore FILE --force/);
  });
});

test('doctor says which outputs cannot be written', async () => {
  await using one = await installed(
    'issuers: { local: { ca: {} } }\ncertificates: { a: { dnsNames: [a.localhost], outputs: [{ files: { directory: file/x } }] } }\n',
  );
  assert.match((await one.run(['doctor'])).stdout, /✓ Outputs: Their directories can be written/);
  await writeFile(one.dir.join('file'), '');
  assert.match(
    (await one.run(['doctor'])).stdout,
    /✗ Outputs: certificates\.a\.outputs\[0\]\.files\.directory: \S+file is not a directory.* \[output\.path-unusable\]\n/,
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

test('check knows the users and groups of this machine', async () => {
  const output = '{ files: { directory: live, owner: nobody-of-that-name }, reloadCommand: ["true"] }';
  await using one = await installed(
    `issuers: { local: { ca: {} } }\ncertificates:\n  shop:\n    dnsNames: [shop.localhost]\n    outputs: [${output}]\n`,
  );
  const { code, stdout } = await one.run(['check']);
  assert.equal(code, 0);
  assert.match(
    stdout,
    /:5:17: warning: certificates\.shop\.outputs\[0\]\.files: There is no user "nobody-of-that-name" in \/etc\/passwd\./,
  );
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
