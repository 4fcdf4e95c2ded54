/** A data directory that is damaged, locked away, read-only, full or half-written, under the real program. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { appendFile, chmod, cp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { connect } from 'node:tls';
import { ready } from '../e2e/shop.ts';
import { site, terminatorOf, type Site } from '../e2e/site.ts';
import { processesOf } from '../load/shop.ts';
import { repository, startCertplane, type Certplane } from '../support/certplane.ts';
import { fetchOnce } from '../support/http.ts';
import { runProgram, type RunResult } from '../support/process.ts';
import { tempDir, type TempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';

const bin = join(repository, 'src', 'bin.ts');
const hasPrlimit = (await runProgram('sh', ['-c', 'command -v prlimit'])).code === 0;

suite('a data directory that cannot be used as it is', () => {
  let scene: TempDir;
  let place: Site;
  /** As a killed program left it, with a write-ahead log that has not been folded into the database. */
  let killed: string;
  let serials: Record<string, string>;
  let backup: string;
  let rootPem: string;

  before(async () => {
    scene = await tempDir('certplane-');
    place = await site();
    killed = scene.join('killed');
    backup = scene.join('backup');
    await mkdir(killed);
    await using certplane = await startCertplane({ dir: killed, configYaml: configFor(place) });
    serials = await allReady(certplane);
    const written = await certplane.cli(['backup', backup]);
    assert.equal(written.code, 0, written.stderr);
    rootPem = await readFile(join(killed, 'data', 'ca', 'local.pem'), 'utf8');
    process.kill(-certplane.pid, 'SIGKILL'); // the whole group: none of them may tidy up
    await until(() => certplane.processes().length === 0, { what: 'the end of all processes' });
    assert.ok((await stat(join(killed, 'data', 'certplane.db-wal'))).size > 0);
  });
  after(async () => await scene[Symbol.asyncDispose]());

  let copies = 0;
  /** A copy of what the killed program left, to be spoiled. */
  async function copy(): Promise<string> {
    const dir = scene.join(`copy${(copies += 1)}`);
    await cp(killed, dir, { recursive: true, verbatimSymlinks: true, filter: (path) => !path.endsWith('.sock') });
    return dir;
  }

  async function handshake(host: string): Promise<string> {
    const socket = connect({ host: '127.0.0.1', port: place.https, servername: host, ca: rootPem });
    await once(socket, 'secureConnect');
    const serial = socket.getPeerX509Certificate()?.serialNumber ?? '';
    socket.destroy();
    return serial;
  }

  test('never (§5.4): half a frame in the write-ahead log and half a set of files lose nothing and issue nothing', async () => {
    const dir = await copy();
    await appendFile(join(dir, 'data', 'certplane.db-wal'), randomBytes(2_000));
    const half = join(dir, 'live', 'one', '..certplane-9');
    await mkdir(half);
    await writeFile(join(half, 'privkey.pem'), 'half', { mode: 0o600 });
    await using certplane = await startCertplane({ dir });
    assert.deepEqual(await allReady(certplane), serials);
    assert.equal(await issued(certplane), 2);
    const renewed = await certplane.cli(['renew', 'one', '--wait']);
    assert.equal(renewed.code, 0, renewed.stderr);
    const { chainPem, serial } = await ready(certplane, 'the renewal', 'file/one');
    assert.notEqual(serial, serials['one']);
    assert.equal(await readFile(join(dir, 'live', 'one', 'fullchain.pem'), 'utf8'), chainPem);
    assert.ok(!existsSync(half) || (await readFile(join(half, 'privkey.pem'), 'utf8')) !== 'half');
  });

  test('a damaged database is refused with the way to restore and not touched; its certificates are served until the restore', async () => {
    const dir = await copy();
    const file = join(dir, 'data', 'certplane.db');
    await rm(`${file}-wal`);
    await rm(`${file}-shm`, { force: true });
    const damaged = randomBytes(40_000);
    await writeFile(file, damaged);

    const cli = async (...args: string[]): Promise<RunResult> =>
      await runProgram(process.execPath, [bin, ...args, '--config', join(dir, 'certplane.yaml')], { cwd: dir });
    const served = async (certplane: Certplane): Promise<void> => {
      assert.equal(await until(async () => await handshake('one.test')), serials['one'], certplane.output);
      assert.equal(await handshake('two.test'), serials['two']);
      const { status, body } = await fetchOnce('https://one.test/', { ca: rootPem, connectTo: { port: place.https } });
      assert.deepEqual([status, body], [200, 'one\n']);
    };
    {
      await using terminator = await startCertplane({ dir, command: 'terminator' });
      await served(terminator);
    }
    const { code, stderr } = await starting(dir, 'control');
    assert.equal(code, 1, stderr);
    assert.match(stderr, /store\.corrupt/);
    assert.match(stderr, /certplane restore FILE --force/);
    {
      await using untended = await startCertplane({ dir, waitReady: false });
      await served(untended);
      const why = 'Control refuses to start; the terminator serves its last-good copy';
      await until(() => untended.output.includes(why), { what: 'the reason in the log' });
      for (const command of ['list', 'doctor']) {
        const { code: said, stdout, stderr: told } = await cli(command);
        assert.equal(said, 1);
        assert.match(
          `${stdout}${told}`,
          /it refuses to start, .* "certplane restore FILE --force".*\[store\.corrupt\]/s,
          command,
        );
      }
      untended.kill('SIGTERM');
      assert.equal((await untended.exited).code, 1, 'the exit code tells of it');
    }
    assert.ok((await readFile(file)).equals(damaged), 'the bytes are as they were');
    await using certplane = await startCertplane({ dir, waitReady: false });
    await served(certplane);
    const unforced = await cli('restore', backup);
    assert.equal(unforced.code, 1);
    assert.match(unforced.stderr, /--force/);
    const half = join(dir, 'half-backup');
    await writeFile(half, (await readFile(backup)).subarray(0, 20_000));
    const refused = await cli('restore', half, '--force');
    assert.match(refused.stderr, /store\.backup-invalid/);
    assert.ok((await readFile(file)).equals(damaged), 'and still');

    const restored = await cli('restore', backup, '--force', '--json');
    assert.equal(restored.code, 0, restored.stderr);
    const { movedTo } = JSON.parse(restored.stdout) as { movedTo: string };
    assert.ok((await readFile(join(movedTo, 'certplane.db'))).equals(damaged), 'what was there is kept aside');
    certplane.kill('SIGHUP'); // instead of waiting for the next try
    await certplane.ready();
    assert.deepEqual(await allReady(certplane), serials);
    assert.equal(await issued(certplane), 2, 'nothing is issued again (§5.4)');
  });

  test('a wrong or missing encryption key is refused by name, and the right one put back works', async () => {
    const dir = await copy();
    const key = join(dir, 'data', 'encryption.key');
    const right = await readFile(key);
    const other = scene.join('other.key');
    const database = await readFile(join(dir, 'data', 'certplane.db'));
    await writeFile(other, otherKey(right.toString('latin1')), { mode: 0o600 });
    await cp(other, key);
    const wrong = await starting(dir, 'control');
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /store\.key-wrong/);
    assert.match(wrong.stderr, /Put the right key back, or restore a backup/);
    await rm(key);
    const missing = await starting(dir, 'control');
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /store\.key-missing/);
    assert.ok(!existsSync(key), 'no new key is made for an old database');
    assert.ok((await readFile(join(dir, 'data', 'certplane.db'))).equals(database));
    for (const { stderr } of [wrong, missing]) assert.ok(!stderr.includes(right.toString('latin1').trim()), '(§5.9)');

    await rm(join(dir, 'data', 'terminator'), { recursive: true });
    const first = await starting(dir);
    assert.equal(first.code, 1, 'with nothing to serve meanwhile it ends at once');
    assert.match(first.stderr, /store\.key-missing/);

    await writeFile(key, right, { mode: 0o600 });
    await using certplane = await startCertplane({ dir });
    assert.deepEqual(await allReady(certplane), serials);
    assert.equal(await issued(certplane), 2);
  });

  test('a read-only data directory is said to be one, and nothing in it changes', async (t) => {
    const dir = await copy();
    const data = join(dir, 'data');
    const result = await startReadOnly(dir, data);
    if (result === undefined) {
      t.skip('root may write everywhere, and this machine lets nobody make a read-only mount');
      return;
    }
    assert.equal(result.code, 1, result.stderr);
    assert.match(result.stderr, /store\.unavailable/);
    assert.match(result.stderr, /read-only|permission/i);
    await using certplane = await startCertplane({ dir });
    assert.deepEqual(await allReady(certplane), serials);
    assert.equal(await issued(certplane), 2);
  });

  test(
    'a disk that is full fails what is asked for and says so; what is served stays; with space again it goes on',
    { skip: hasPrlimit ? false : 'needs prlimit (util-linux)' },
    async () => {
      const dir = await copy();
      const config = await readFile(join(dir, 'certplane.yaml'), 'utf8');
      const brief = '  brief: { dnsNames: [brief.test], lifetime: 24s }\n';
      await writeFile(join(dir, 'certplane.yaml'), config.replace('certificates:\n', `certificates:\n${brief}`));
      await using certplane = await startCertplane({ dir });
      await allReady(certplane);
      const { renewAt, serial } = await ready(certplane, 'the brief certificate', 'file/brief');
      const control = processesOf(certplane, 'control')[0]?.pid ?? 0;
      const limit = async (bytes: string): Promise<void> => {
        const { code, stderr } = await runProgram('prlimit', ['--pid', String(control), `--fsize=${bytes}:`]);
        assert.equal(code, 0, stderr);
      };
      await limit('1'); // no file of this process can grow past its first byte
      const refused = await certplane.cli(['renew', 'one', '--wait'], { timeoutMs: 20_000 });
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /Reading or writing the database failed .*\[store\.unavailable\]/);
      assert.equal((await certplane.cli(['backup', join(dir, 'backup')])).code, 1);
      assert.ok(!existsSync(join(dir, 'backup')), 'no half backup');
      assert.deepEqual([await handshake('one.test'), await handshake('two.test')], [serials['one'], serials['two']]);
      await until(() => Date.now() > Date.parse(renewAt ?? '') + 2_000, { timeoutMs: 30_000 });
      const held = await ready(certplane, 'the certificate that could not be renewed', 'file/brief');
      assert.equal(held.serial, serial);
      assert.match(held.sentence, /database failed .* It is tried again at /);

      await limit('unlimited');
      const renewed = await certplane.cli(['renew', 'two', '--wait']);
      assert.equal(renewed.code, 0, renewed.stderr);
      await until(async () => (await handshake('two.test')) !== serials['two'], { what: 'the renewed certificate' });
      await until(async () => (await ready(certplane, 'a renewal', 'file/brief')).serial !== serial, {
        timeoutMs: 60_000,
        what: 'the renewal that was held up',
      });
      assert.equal(await handshake('one.test'), serials['one'], 'what could not be asked for is not done later');
      assert.doesNotMatch(certplane.output, /unhandled|internal\.unexpected|TypeError/i);
    },
  );
});

function configFor(place: Site): string {
  return `${place.base}
issuers:
  local: { ca: {} }
certificates:
  one: { dnsNames: [one.test], lifetime: 90d, outputs: [{ files: { directory: ./live/one } }] }
  two: { dnsNames: [two.test], lifetime: 90d }
${terminatorOf(place, { workers: 1 })}
  routes:
    - { hosts: [one.test], respond: { status: 200, body: "one\\n" } }
    - { hosts: [two.test], respond: { status: 200, body: "two\\n" } }
`;
}

async function allReady(certplane: Certplane): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of ['one', 'two']) {
    const { serial } = await ready(certplane, `the certificate ${name}`, `file/${name}`);
    found[name] = serial ?? '';
  }
  return found;
}

async function issued({ dir }: Certplane): Promise<number> {
  const socketPath = join(dir, 'data', 'run', 'admin.sock');
  const { body } = await fetchOnce('http://admin/api/v1/history?kind=issued&limit=500', { socketPath });
  return (JSON.parse(body) as { items: unknown[] }).items.length;
}

/** Starts it and waits for its end. */
async function starting(dir: string, command = 'run'): Promise<RunResult> {
  const args = [bin, command, '--config', join(dir, 'certplane.yaml')];
  return await runProgram(process.execPath, args, { cwd: dir, timeoutMs: 30_000 });
}

/** Another key in the same form. */
function otherKey(text: string): string {
  return text.replace(/[A-Za-z0-9+/]{20}/, () => randomBytes(15).toString('base64'));
}

/** Undefined where it cannot be arranged. */
async function startReadOnly(dir: string, data: string): Promise<RunResult | undefined> {
  const args = [process.execPath, bin, 'control', '--config', join(dir, 'certplane.yaml')];
  if (process.getuid?.() !== 0) {
    await chmod(data, 0o500);
    try {
      return await runProgram(args[0]!, args.slice(1), { cwd: dir, timeoutMs: 30_000 });
    } finally {
      await chmod(data, 0o700);
    }
  }
  const mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" || exit 77; exec "$@"';
  const result = await runProgram('unshare', ['-m', 'sh', '-c', mount, data, ...args], { cwd: dir, timeoutMs: 30_000 });
  return result.code === 77 || /unshare failed/.test(result.stderr) ? undefined : result;
}
