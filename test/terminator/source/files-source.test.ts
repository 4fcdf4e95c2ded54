import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import type { Bundle } from '../../../src/core/bundle.ts';
import type { FeedItem } from '../../../src/core/feed.ts';
import type { SourceEvent } from '../../../src/core/ports/certificate-source.ts';
import { silentLog } from '../../../src/core/ports/log.ts';
import { systemClock } from '../../../src/core/system-clock.ts';
import { createFilesSource } from '../../../src/terminator/source/files-source.ts';
import { certificateSourceContract } from '../../contract/certificate-source.ts';
import { tempDir } from '../../support/tempdir.ts';
import { TestCa } from '../../support/test-ca.ts';
import { until } from '../../support/until.ts';

certificateSourceContract('files', async () => {
  const root = await tempDir();
  const directory = root.join('certs');
  await mkdir(directory);
  return {
    source: createFilesSource({ directory, clock: systemClock, log: silentLog }),
    put: async (name, { chainPem, keyPem }) => {
      await writeFile(root.join('new'), chainPem + keyPem);
      await rename(root.join('new'), join(directory, `${name}.pem`));
    },
    remove: async (name) => await rm(join(directory, `${name}.pem`)),
    breakPlace: async () => await rename(directory, root.join('away')),
    repairPlace: async () => await rename(root.join('away'), directory),
    [Symbol.asyncDispose]: async () => await root[Symbol.asyncDispose](),
  };
});

const noPipes = process.platform === 'win32';

interface Watched extends AsyncDisposable {
  readonly directory: string;
  readonly events: SourceEvent[];
  ids(): string[];
  item(id: string): FeedItem | undefined;
  trouble(): string | undefined;
}

async function watched(prepare: (directory: string) => Promise<void>): Promise<Watched> {
  const root = await tempDir();
  const directory = root.path;
  await prepare(directory);
  const stop = new AbortController();
  const events: SourceEvent[] = [];
  const source = createFilesSource({ directory, clock: systemClock, log: silentLog });
  const ended = (async () => {
    for await (const event of source.subscribe({ signal: stop.signal })) events.push(event);
  })();
  const items = (): readonly FeedItem[] => {
    const snapshot = events.findLast((event) => event.type === 'snapshot');
    return snapshot?.type === 'snapshot' ? snapshot.items : [];
  };
  const found = {
    directory,
    events,
    ids: () =>
      items()
        .flatMap((item) => (item.kind === 'certificate' ? [item.certificateId] : []))
        .toSorted(),
    item: (id: string) => items().find((item) => item.kind === 'certificate' && item.certificateId === id),
    trouble: () => {
      const last = events.findLast((event) => event.type === 'trouble');
      return last?.type === 'trouble' ? last.problem?.message : undefined;
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await ended;
      await root[Symbol.asyncDispose]();
    },
  };
  await until(() => events.length > 0);
  return found;
}

const ca = await TestCa.create();

async function bundle(host: string): Promise<Bundle> {
  const { fullchainPem, keyPem } = await ca.issue({ dnsNames: [host] });
  return { chainPem: fullchainPem, keyPem };
}

async function put(directory: string, files: Record<string, string>): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
}

test('all the layouts people have are found, and what is no certificate is left alone', async () => {
  await using source = await watched(async (directory) => {
    const [a, b, c, d] = await Promise.all([bundle('a.test'), bundle('b.test'), bundle('c.test'), bundle('d.test')]);
    await put(directory, {
      'a.pem': a.chainPem + a.keyPem,
      'b.crt': b.chainPem,
      'b.key': b.keyPem,
      'ca.pem': ca.certPem,
    });
    await put(join(directory, 'c.test'), {
      'fullchain.pem': c.chainPem,
      'privkey.pem': c.keyPem,
      'chain.pem': ca.certPem,
    });
    await put(join(directory, 'd'), { 'tls.crt': d.chainPem, 'tls.key': d.keyPem });
    await put(join(directory, 'empty'), { README: 'nothing here' });
    await put(directory, { '.hidden.pem': a.chainPem + a.keyPem, 'notes.txt': 'text' });
  });
  assert.deepEqual(source.ids(), ['seen/files/a.pem', 'seen/files/b', 'seen/files/c.test', 'seen/files/d']);
  assert.equal(source.trouble(), undefined);
});

test('a directory that is itself one certificate is read as that', async () => {
  await using source = await watched(async (directory) => {
    const { chainPem, keyPem } = await bundle('a.test');
    const files = {
      'fullchain.pem': chainPem,
      'privkey.pem': keyPem,
      'combined.pem': chainPem + keyPem,
      'cert.pem': chainPem,
    };
    await put(directory, files);
  });
  assert.deepEqual(source.ids(), ['seen/files/default']);
});

test("never (§5.2): a swap of kubelet's ..data link is seen as one change, never as a mix", async () => {
  const versions = await Promise.all(Array.from({ length: 8 }, () => bundle('a.test')));
  const write = async (directory: string, version: number): Promise<void> => {
    const { chainPem, keyPem } = versions[version] as Bundle;
    const state = `..state_${version}`;
    await put(join(directory, state), { 'tls.crt': chainPem, 'tls.key': keyPem });
    await symlink(state, join(directory, '..data_tmp'));
    await rename(join(directory, '..data_tmp'), join(directory, '..data'));
  };
  await using source = await watched(async (directory) => {
    await write(directory, 0);
    for (const name of ['tls.crt', 'tls.key']) await symlink(`..data/${name}`, join(directory, name));
  });
  const seen = (): string | undefined => {
    const item = source.item('seen/files/default');
    return item?.kind === 'certificate' ? item.versionId : undefined;
  };
  for (let version = 1; version < versions.length; version += 1) {
    const before = seen();
    await write(source.directory, version);
    await until(() => seen() !== before, { what: `version ${version}` });
    await rm(join(source.directory, `..state_${version - 1}`), { recursive: true });
  }
  assert.equal(source.trouble(), undefined);
});

test('never (§5.1): a half-written or mismatched file keeps what it had, and is reported until it is whole', async () => {
  const first = await bundle('a.test');
  const second = await bundle('a.test');
  await using source = await watched((directory) => put(directory, { 'a.pem': first.chainPem + first.keyPem }));
  const before = source.item('seen/files/a.pem');
  assert.ok(before);
  const broken: Record<string, string> = {
    'cut in the chain': second.chainPem.slice(0, 400),
    'cut in the key': second.chainPem + second.keyPem.slice(0, 60),
    'without the key': second.chainPem,
    empty: '',
    'another key': second.chainPem + first.keyPem,
    'too large': `${second.chainPem}${'x'.repeat(1_100_000)}`,
  };
  for (const [what, text] of Object.entries(broken)) {
    await writeFile(join(source.directory, 'a.pem'), text);
    await until(() => source.trouble()?.includes('a.pem') === true, { what });
    assert.deepEqual(source.item('seen/files/a.pem'), before, what);
    await writeFile(join(source.directory, 'a.pem'), first.chainPem + first.keyPem);
    await until(() => source.trouble() === undefined, { what: `the end of: ${what}` });
  }
  await writeFile(join(source.directory, 'a.pem'), second.chainPem + second.keyPem);
  await until(() => source.item('seen/files/a.pem') !== before && source.trouble() === undefined);
});

test('a directory that is not there yet is trouble until it is', async () => {
  await using root = await tempDir();
  const stop = new AbortController();
  const events: SourceEvent[] = [];
  const source = createFilesSource({ directory: root.join('later'), clock: systemClock, log: silentLog });
  const ended = (async () => {
    for await (const event of source.subscribe({ signal: stop.signal })) events.push(event);
  })();
  await until(() => events.length === 1);
  assert.equal(events[0]?.type, 'trouble');
  const { chainPem, keyPem } = await bundle('a.test');
  await put(root.join('later'), { 'a.pem': chainPem + keyPem });
  await until(() => events.some((event) => event.type === 'snapshot' && event.items.length === 1));
  stop.abort();
  await ended;
});

test('a named pipe among the certificates is reported and holds nothing up', { skip: noPipes }, async () => {
  await using root = await tempDir();
  const { chainPem, keyPem } = await bundle('a.test');
  await put(root.path, { 'a.pem': chainPem + keyPem });
  execFileSync('mkfifo', [root.join('b.pem')]);
  const stop = new AbortController();
  const events: SourceEvent[] = [];
  const source = createFilesSource({ directory: root.path, clock: systemClock, log: silentLog });
  const ended = (async () => {
    for await (const event of source.subscribe({ signal: stop.signal })) events.push(event);
  })();
  await until(() => events.length === 2);
  assert.ok(events[0]?.type === 'snapshot' && events[0].items.length === 1);
  assert.ok(events[1]?.type === 'trouble' && events[1].problem?.message.includes('not a regular file'));
  stop.abort();
  await ended;
});

test('never (§5.6): a subdirectory that nobody may look into keeps no other certificate from being served', async () => {
  await using source = await watched(async (directory) => {
    const [a, b] = await Promise.all([bundle('a.test'), bundle('b.test')]);
    await put(directory, { 'a.pem': a.chainPem + a.keyPem });
    await put(join(directory, '.b'), { 'tls.crt': b.chainPem, 'tls.key': b.keyPem });
    await symlink('.b', join(directory, 'b'));
    // As `lost+found` is to whoever is not root: nothing can be said about it.
    await symlink('loop', join(directory, 'loop'));
  });
  await until(() => source.ids().join() === 'seen/files/a.pem,seen/files/b');
  const loop = join(source.directory, 'loop');
  await until(() => source.trouble() === `${loop}: ELOOP: too many symbolic links encountered`, { what: 'one path' });
  // What was served from such a place stays (§5.7).
  await symlink('b', join(source.directory, '.loop'));
  await rename(join(source.directory, '.loop'), join(source.directory, 'b'));
  const c = await bundle('c.test');
  await put(source.directory, { 'c.pem': c.chainPem + c.keyPem });
  await until(() => source.ids().includes('seen/files/c.pem'));
  assert.deepEqual(source.ids(), ['seen/files/a.pem', 'seen/files/b', 'seen/files/c.pem']);
});
