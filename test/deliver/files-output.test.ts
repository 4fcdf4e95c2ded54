import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { readBundle, type Bundle } from '../../src/core/bundle.ts';
import type { FilesOutput } from '../../src/core/certificate.ts';
import { hasCode, type ErrorCode } from '../../src/core/errors.ts';
import { systemClock } from '../../src/core/system-clock.ts';
import type { FileSystem } from '../../src/deliver/file-system.ts';
import { createFilesOutput } from '../../src/deliver/files-output.ts';
import { ReloadCommands } from '../../src/deliver/reload-commands.ts';
import { runProgram } from '../support/process.ts';
import { tempDir } from '../support/tempdir.ts';
import { toolOrSkip } from '../support/tools.ts';
import { failingAt } from './failing-file-system.ts';
import { issueVersion } from './issuing.ts';

const never = new AbortController().signal;
const names = ['cert.pem', 'chain.pem', 'combined.pem', 'fullchain.pem', 'privkey.pem'];

function output(directory: string, more: Partial<FilesOutput> = {}, fileSystem?: FileSystem) {
  const spec: FilesOutput = { kind: 'files', id: `files:${directory}`, directory, reloadTimeoutMs: 10_000, ...more };
  const reloads = new ReloadCommands({ clock: systemClock });
  return createFilesOutput(spec, { reloads, ...(fileSystem === undefined ? {} : { fileSystem }) });
}

async function fails(promise: Promise<unknown>, code: ErrorCode, message = /./): Promise<void> {
  await assert.rejects(promise, (error: Error) => {
    assert.ok(hasCode(error, code), `expected ${code}, got ${String(error)}`);
    assert.match(error.message, message);
    return true;
  });
}

/** The set as somebody sees it who resolves the directory once; undefined when there is none. Whole or it throws. */
function readSet(directory: string): Bundle | undefined {
  const data = join(directory, '..data');
  if (!existsSync(data)) return undefined;
  const set = realpathSync(data);
  const read = (name: string): string => readFileSync(join(set, name), 'utf8');
  const bundle = { chainPem: read('fullchain.pem'), keyPem: read('privkey.pem') };
  readBundle(bundle);
  assert.equal(read('cert.pem') + read('chain.pem'), bundle.chainPem);
  assert.equal(read('combined.pem'), bundle.chainPem + bundle.keyPem);
  for (const name of names)
    if (existsSync(join(directory, name))) assert.equal(readFileSync(join(directory, name), 'utf8'), read(name));
  return bundle;
}

test('a version is written as five files behind one link, keys 0600', async () => {
  await using temporary = await tempDir();
  const directory = temporary.join('live', 'shop');
  const version = await issueVersion('file/shop', 1);
  const files = output(directory);
  assert.equal(await files.current(never), undefined);
  await files.deliver(version, never);
  assert.deepEqual(readSet(directory), version.bundle);
  assert.deepEqual(readdirSync(directory).toSorted(), ['..certplane-1', '..data', ...names]);
  assert.equal(readlinkSync(join(directory, '..data')), '..certplane-1');
  for (const name of names) {
    assert.equal(readlinkSync(join(directory, name)), `..data/${name}`);
    const wanted = name === 'privkey.pem' || name === 'combined.pem' ? 0o600 : 0o644;
    assert.equal(statSync(join(directory, name)).mode & 0o777, wanted, name);
  }
  assert.equal((await files.current(never))?.fingerprint256, version.fingerprint256);
});

test('OpenSSL accepts what is written', async (t) => {
  const openssl = await toolOrSkip(t, 'openssl');
  if (!openssl) return;
  await using temporary = await tempDir();
  const version = await issueVersion('file/shop', 1);
  await output(temporary.path).deliver(version, never);
  const verified = await openssl.run(['verify', '-CAfile', temporary.join('chain.pem'), temporary.join('cert.pem')]);
  assert.equal(verified.code, 0, verified.stderr);
});

test('delivering again changes nothing; a new version keeps the one before it and no older one', async () => {
  await using temporary = await tempDir();
  const files = output(temporary.path);
  const versions = await Promise.all([1, 2, 3, 4].map(async (number) => issueVersion('file/shop', number)));
  for (const [i, version] of versions.entries()) {
    await files.deliver(version, never);
    const { ino, mtimeMs } = statSync(temporary.join('privkey.pem'));
    await files.deliver(version, never);
    const again = statSync(temporary.join('privkey.pem'));
    assert.deepEqual([again.ino, again.mtimeMs], [ino, mtimeMs]);
    assert.deepEqual(readSet(temporary.path), version.bundle);
    const sets = readdirSync(temporary.path).filter((name) => name.startsWith('..certplane-'));
    assert.deepEqual(sets.toSorted(), i === 0 ? ['..certplane-1'] : [`..certplane-${i}`, `..certplane-${i + 1}`]);
  }
});

test('never (§5.2): a crash at any step leaves the old set or the new one, and the next attempt finishes', async (t) => {
  const [first, second] = await Promise.all([issueVersion('file/shop', 1), issueVersion('file/shop', 2)]);
  for (const before of [undefined, first]) {
    for (const moment of ['before', 'after'] as const) {
      for (let nth = 1; ; nth += 1) {
        await using temporary = await tempDir();
        const directory = temporary.join('shop');
        if (before !== undefined) await output(directory).deliver(before, never);
        const fileSystem = failingAt(nth, moment);
        let crashed = false;
        try {
          await output(directory, {}, fileSystem).deliver(second, never);
        } catch (error) {
          assert.ok(hasCode(error, 'output.write-failed'), String(error));
          crashed = true;
        }
        const where = `${moment} operation ${nth} (${fileSystem.operations.at(-1)})`;
        const seen = readSet(directory);
        assert.ok([before?.bundle.keyPem, second.bundle.keyPem].includes(seen?.keyPem), where);
        if (!crashed) {
          t.diagnostic(`${nth - 1} operations ${before === undefined ? 'for the first set' : 'for the next one'}`);
          assert.ok(nth > 10);
          break;
        }
        await output(directory).deliver(second, never);
        assert.deepEqual(readSet(directory), second.bundle, where);
        const sets = readdirSync(directory).filter((name) => name.startsWith('..certplane-'));
        assert.ok(sets.length <= 2, `${where}: ${sets.join(' ')}`);
        if (before !== undefined && sets.length === 2)
          assert.ok(
            sets.some((set) => readFileSync(join(directory, set, 'privkey.pem'), 'utf8') === before.bundle.keyPem),
            where,
          );
        assert.equal((await output(directory).current(never))?.fingerprint256, second.fingerprint256);
      }
    }
  }
});

test('a full disk while writing is output.write-failed and leaves the old set', async () => {
  await using temporary = await tempDir();
  const [first, second] = await Promise.all([issueVersion('file/shop', 1), issueVersion('file/shop', 2)]);
  await output(temporary.path).deliver(first, never);
  const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  await fails(
    output(temporary.path, {}, failingAt(4, 'before', full)).deliver(second, never),
    'output.write-failed',
    /no space/,
  );
  assert.deepEqual(readSet(temporary.path), first.bundle);
});

test('never (§5.2): a reader that resolves the directory once, or reads combined.pem, sees no mix during 100 switches', async () => {
  await using temporary = await tempDir();
  const versions = await Promise.all([1, 2, 3].map(async (number) => issueVersion('file/shop', number)));
  const files = output(temporary.path);
  await files.deliver(versions[0] as (typeof versions)[0], never);
  const done = new AbortController();
  let reads = 0;
  const reading = (async () => {
    const seen = new Set<string>();
    while (!done.signal.aborted) {
      const set = await realpath(temporary.join('..data'));
      const [chainPem, keyPem] = await Promise.all([
        readFile(join(set, 'fullchain.pem'), 'utf8'),
        readFile(join(set, 'privkey.pem'), 'utf8'),
      ]);
      seen.add(readBundle({ chainPem, keyPem }).fingerprint256);
      const combined = await readFile(temporary.join('combined.pem'), 'utf8');
      const cut = combined.indexOf('-----BEGIN PRIVATE KEY-----');
      readBundle({ chainPem: combined.slice(0, cut), keyPem: combined.slice(cut) });
      reads += 1;
    }
    return seen;
  })();
  try {
    for (let i = 1; i <= 100; i += 1) await files.deliver(versions[i % 3] as (typeof versions)[0], never);
  } finally {
    done.abort();
  }
  assert.equal((await reading).size, 3);
  assert.ok(reads > 20);
});

test('never (§5.1): a bundle whose key belongs to another certificate is refused, the set stays', async () => {
  await using temporary = await tempDir();
  const [first, second] = await Promise.all([issueVersion('file/shop', 1), issueVersion('file/shop', 2)]);
  const files = output(temporary.path);
  await files.deliver(first, never);
  const mixed = { ...second, bundle: { ...second.bundle, keyPem: first.bundle.keyPem } };
  await fails(files.deliver(mixed, never), 'certificate.key-mismatch');
  const torn = { ...second, bundle: { ...second.bundle, chainPem: second.bundle.chainPem.slice(0, 200) } };
  await fails(files.deliver(torn, never), 'certificate.unparsable');
  assert.deepEqual(readSet(temporary.path), first.bundle);
});

describe('what somebody else put there is left alone, with a sentence that says what to do', () => {
  const obstacles: Record<string, (directory: string) => void> = {
    'a file of that name': (directory) => writeFileSync(join(directory, 'privkey.pem'), 'theirs'),
    "certbot's link": (directory) => symlinkSync('../../archive/shop/fullchain1.pem', join(directory, 'fullchain.pem')),
    'a directory of that name': (directory) => mkdirSync(join(directory, 'combined.pem')),
    "kubelet's ..data": (directory) => symlinkSync('..2026_01_01_00_00_00.123', join(directory, '..data')),
    'a directory called ..data': (directory) => mkdirSync(join(directory, '..data')),
  };
  for (const [what, put] of Object.entries(obstacles)) {
    test(what, async () => {
      await using temporary = await tempDir();
      put(temporary.path);
      const before = readdirSync(temporary.path);
      const version = await issueVersion('file/shop', 1);
      await fails(output(temporary.path).deliver(version, never), 'output.path-unusable', /Move it away, or choose/);
      assert.deepEqual(readdirSync(temporary.path), before);
      assert.equal(await output(temporary.path).current(never), undefined);
    });
  }

  test('other files beside ours stay', async () => {
    await using temporary = await tempDir();
    writeFileSync(temporary.join('README'), 'theirs');
    mkdirSync(temporary.join('..certplane-x'));
    await output(temporary.path).deliver(await issueVersion('file/shop', 1), never);
    assert.ok(existsSync(temporary.join('README')) && existsSync(temporary.join('..certplane-x')));
  });
});

test('a directory that cannot be one is output.path-unusable', async () => {
  await using temporary = await tempDir();
  const version = await issueVersion('file/shop', 1);
  writeFileSync(temporary.join('file'), '');
  await fails(output(temporary.join('file')).deliver(version, never), 'output.path-unusable');
  await fails(output(temporary.join('file', 'deeper')).deliver(version, never), 'output.path-unusable');
  symlinkSync('loop', temporary.join('loop'));
  await fails(output(temporary.join('loop')).deliver(version, never), 'output.path-unusable');
});

const withoutProc = process.platform !== 'linux' && 'there is no /proc';
test('a directory that can be made nowhere is told, and nothing goes on trying', { skip: withoutProc }, async () => {
  const version = await issueVersion('file/shop', 1);
  await fails(
    output('/proc/x/y').deliver(version, never),
    'output.path-unusable',
    /a directory of the path is missing/,
  );
});

test('current sees what a consumer would: a missing file, a wrong mode, no usable certificate, a pipe', async () => {
  await using temporary = await tempDir();
  const version = await issueVersion('file/shop', 1);
  const files = output(temporary.path);
  const set = temporary.join('..certplane-1');
  const other = await issueVersion('file/shop', 2);
  /** Whether the certificate itself is still there. */
  const spoils: [boolean, () => void][] = [
    [true, () => rmSync(temporary.join('chain.pem'))],
    [true, () => rmSync(temporary.join('fullchain.pem'))],
    [false, () => rmSync(temporary.join('..data'))],
    [false, () => rmSync(join(set, 'privkey.pem'))],
    [false, () => writeFileSync(join(set, 'privkey.pem'), other.bundle.keyPem)],
    [true, () => chmodSync(join(set, 'privkey.pem'), 0o644)],
    [true, () => writeFileSync(join(set, 'combined.pem'), 'cut')],
    [false, () => writeFileSync(join(set, 'fullchain.pem'), 'not a certificate')],
    [false, () => writeFileSync(join(set, 'fullchain.pem'), Buffer.alloc(3_000_000))],
  ];
  for (const [there, spoil] of spoils) {
    rmSync(temporary.path, { recursive: true });
    await files.deliver(version, never);
    assert.equal((await files.current(never))?.fingerprint256, version.fingerprint256);
    spoil();
    const spoilt = await files.current(never);
    assert.equal(spoilt?.fingerprint256, there ? version.fingerprint256 : undefined, String(spoil));
    assert.ok(spoilt?.intact !== true, String(spoil));
    await files.deliver(version, never);
    const mended = await files.current(never);
    assert.deepEqual([mended?.fingerprint256, mended?.intact], [version.fingerprint256, true], String(spoil));
  }
  const pipe = temporary.join('pipe');
  mkdirSync(pipe);
  await runProgram('mkfifo', [join(pipe, 'fullchain.pem')]);
  assert.equal(await output(pipe).current(never), undefined);
});

test('never (§5.9): a named group may read the keys (0640), by name or number; nobody else, whatever the umask', async () => {
  await using temporary = await tempDir();
  const version = await issueVersion('file/shop', 1);
  const gid = process.getegid?.() ?? 0;
  const groupName = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((line) => line.split(':')[2] === String(gid))
    ?.split(':')[0];
  const umask = process.umask(0o077);
  try {
    for (const group of [String(gid), ...(groupName === undefined ? [] : [groupName])]) {
      const directory = temporary.join(group);
      const files = output(directory, { group });
      await files.deliver(version, never);
      assert.equal((await files.current(never))?.fingerprint256, version.fingerprint256);
      assert.deepEqual(
        names.map((name) => [statSync(join(directory, name)).mode & 0o777, statSync(join(directory, name)).gid]),
        [0o644, 0o644, 0o640, 0o644, 0o640].map((mode) => [mode, gid]),
      );
      assert.equal(lstatSync(join(directory, '..certplane-1')).mode & 0o777, 0o755);
      // The option was taken out: the same certificate is not as it should be any more.
      const closed = output(directory);
      assert.equal((await closed.current(never))?.intact, false);
      await closed.deliver(version, never);
      assert.equal(statSync(join(directory, 'privkey.pem')).mode & 0o777, 0o600);
    }
  } finally {
    process.umask(umask);
  }
});

test('an owner or group that this machine does not know is said, and nothing is written', async () => {
  await using temporary = await tempDir();
  const version = await issueVersion('file/shop', 1);
  for (const more of [
    { owner: 'nobody-of-that-name' },
    { group: 'no-such-group' },
    { owner: '' },
    { group: '99999999999' },
  ])
    await fails(
      output(temporary.path, more).deliver(version, never),
      'output.owner-unknown',
      /There is no (user|group)/,
    );
  assert.deepEqual(readdirSync(temporary.path), []);
  assert.equal(await output(temporary.path, { owner: 'nobody-of-that-name' }).current(never), undefined);
});

test('an owner is set where this user may set one, and named where not', async () => {
  await using temporary = await tempDir();
  const version = await issueVersion('file/shop', 1);
  if (process.geteuid?.() === 0) {
    await output(temporary.path, { owner: 'nobody' }).deliver(version, never);
    assert.equal(statSync(temporary.join('privkey.pem')).uid, 65_534);
    assert.equal(statSync(temporary.join('privkey.pem')).mode & 0o777, 0o600);
  } else {
    await fails(output(temporary.path, { owner: 'root' }).deliver(version, never), 'output.path-unusable', /owner/);
  }
});

test('the reload command runs after the switch, again for the same version, and its failure leaves the files in place', async () => {
  await using temporary = await tempDir();
  const directory = temporary.join('shop');
  const version = await issueVersion('file/shop', 1);
  const log = temporary.join('log');
  const script = `cat ${directory}/cert.pem >> ${log} && test ! -e ${temporary.join('broken')}`;
  const files = output(directory, { reloadCommand: ['/bin/sh', '-c', script] });
  writeFileSync(temporary.join('broken'), '');
  await fails(files.deliver(version, never), 'output.reload-failed');
  assert.equal((await files.current(never))?.fingerprint256, version.fingerprint256);
  rmSync(temporary.join('broken'));
  await files.deliver(version, never);
  const certificate = readFileSync(join(directory, 'cert.pem'), 'utf8');
  assert.equal(readFileSync(log, 'utf8'), certificate + certificate);
  assert.ok(existsSync(join(directory, '..certplane-1')) && !existsSync(join(directory, '..certplane-2')));
});
