import assert from 'node:assert/strict';
import test from 'node:test';
import { createLastGoodCache } from '../../src/terminator/last-good/cache.ts';
import type { SourceSpec } from '../../src/core/terminator.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { tempDir } from '../support/tempdir.ts';
import { TestCa } from '../support/test-ca.ts';
import { until } from '../support/until.ts';
import { respondRoute, startTerminator, type TestTerminator } from './support/harness.ts';
import { TestFeed } from './support/test-feed.ts';

const hour = 3_600_000;

function secretsWith(selector: string): SourceSpec {
  return { kind: 'kubernetesSecrets', namespace: 'shop', selector };
}

function refused(
  terminator: TestTerminator,
  revisionOf: { sequence: number; epoch: string },
): Promise<readonly string[]> {
  return terminator.feed
    .acknowledged(revisionOf)
    .then(({ refusals }) => refusals.map(({ code, key }) => `${key} ${code}`));
}

test('never (§5.1): what is broken, mismatched or lacks a name is refused by code, and the last good one stays', async () => {
  await using terminator = await startTerminator();
  const { feed } = terminator;
  const good = await terminator.serve('file/a', 1, 'a.test');
  const other = await terminator.issue('a.test');
  const elsewhere = await terminator.issue('b.test');
  const cases = [
    [{ chainPem: good.chainPem.slice(0, 300), keyPem: good.keyPem }, 'certificate.unparsable'],
    [{ chainPem: other.chainPem, keyPem: 'no key' }, 'certificate.unparsable'],
    [{ chainPem: other.chainPem, keyPem: good.keyPem }, 'certificate.key-mismatch'],
    [elsewhere, 'certificate.name-missing'],
  ] as const;
  let version = 2;
  for (const [material, code] of cases) {
    // Announced as what it should have been; only the material is not that.
    const item = feed.prepare('file/a', version, other);
    feed.setMaterial(item.versionId, material);
    assert.deepEqual(await refused(terminator, feed.publish(item)), [`certificate/file/a ${code}`]);
    assert.equal(await terminator.serial('a.test'), good.serial, code);
    version += 1;
  }
  const problems = terminator.supervisor.status().problems.filter(({ subject }) => subject === 'file/a');
  assert.equal(problems.length, 1);
  const better = await terminator.serve('file/a', version, 'a.test');
  assert.equal(await terminator.serial('a.test'), better.serial);
  assert.deepEqual(terminator.supervisor.status().problems, []);
  assert.deepEqual(feed.acknowledgements.at(-1)?.refusals, []);
});

test('never (§5.1): an expired or an incomplete one does not take the place of a better one', async () => {
  await using terminator = await startTerminator();
  const { feed } = terminator;
  const now = Date.now();
  const good = await terminator.serve('file/a', 1, { dnsNames: ['a.test'], notAfter: new Date(now + 48 * hour) });
  const expired = await terminator.issue({
    dnsNames: ['a.test'],
    notBefore: new Date(now - 9 * hour),
    notAfter: new Date(now - hour),
  });
  const whole = await terminator.issue({ dnsNames: ['a.test'], notAfter: new Date(now + 96 * hour) });
  const incomplete = {
    ...whole,
    chainPem: `${whole.chainPem.split('-----END CERTIFICATE-----')[0]}-----END CERTIFICATE-----\n`,
  };
  for (const [i, bundle] of [expired, incomplete].entries()) {
    const revision = feed.publishCertificate('file/a', i + 2, bundle);
    assert.deepEqual(await refused(terminator, revision), ['certificate/file/a certificate.worse'], String(i));
    assert.equal(await terminator.serial('a.test'), good.serial);
  }
  // With nothing better there, even an expired one is served: a warning is better than nothing to look at.
  await feed.acknowledged(
    feed.publishCertificate(
      'file/b',
      1,
      await terminator.issue({
        dnsNames: ['b.test'],
        notBefore: new Date(now - 9 * hour),
        notAfter: new Date(now - hour),
      }),
    ),
  );
  assert.equal(terminator.supervisor.status().served, 2);
});

test('a version that ends sooner is taken from control, which has judged it, and never (§5.1) from another source', async () => {
  const files = new TestFeed({ name: 'files:/certs', epoch: 'files' });
  await using terminator = await startTerminator({
    settings: { sources: [{ kind: 'files', directory: '/certs' }] },
    sources: () => files,
  });
  const issue = (host: string, hours: number): ReturnType<TestTerminator['issue']> =>
    terminator.issue({ dnsNames: [host], notAfter: new Date(Date.now() + hours * hour) });
  await terminator.serve('file/a', 1, { dnsNames: ['a.test'], notAfter: new Date(Date.now() + 48 * hour) });
  const sooner = await issue('a.test', 24);
  assert.deepEqual(await refused(terminator, terminator.feed.publishCertificate('file/a', 2, sooner)), []);
  assert.equal(await terminator.serial('a.test'), sooner.serial);

  const theirs = await issue('b.test', 48);
  files.publishCertificate('seen/files/b', 1, theirs);
  await until(async () => (await terminator.serial('b.test')) === theirs.serial);
  files.publishCertificate('seen/files/b', 2, await issue('b.test', 24));
  await until(() => terminator.supervisor.status().problems.some(({ code }) => code === 'certificate.worse'));
  assert.equal(await terminator.serial('b.test'), theirs.serial);
});

test('never (§5.1): a certificate from the future is held and takes over when its time comes', async () => {
  const now = Date.now();
  const clock = new ManualClock(now);
  await using terminator = await startTerminator({ clock });
  const { feed } = terminator;
  const good = await terminator.serve('file/a', 1, 'a.test');
  const future = await terminator.issue({
    dnsNames: ['a.test'],
    notBefore: new Date(now + hour),
    notAfter: new Date(now + 999 * hour),
  });
  assert.deepEqual(await refused(terminator, feed.publishCertificate('file/a', 2, future)), [
    'certificate/file/a certificate.not-yet-valid',
  ]);
  assert.equal(await terminator.serial('a.test'), good.serial);
  await clock.advance(hour + 1000);
  await until(
    async () => {
      // This machine's own clock is an hour behind the terminator's.
      const socket = await terminator.handshake('a.test', { rejectUnauthorized: false });
      const { serialNumber } = socket.getPeerCertificate();
      socket.destroy();
      return serialNumber === future.serial;
    },
    { what: 'the new certificate' },
  );
  await until(() => feed.acknowledgements.at(-1)?.refusals.length === 0);
});

test('material that cannot be fetched is tried again, and delays no other certificate', async () => {
  await using terminator = await startTerminator();
  const { feed } = terminator;
  const first = await terminator.serve('file/a', 1, 'a.test');
  const missing = { ...feed.prepare('file/a', 2, await terminator.issue('a.test')) };
  feed.setMaterial(missing.versionId, undefined);
  assert.deepEqual(await refused(terminator, feed.publish(missing)), ['certificate/file/a store.not-found']);
  const other = await terminator.serve('file/b', 1, 'b.test');
  assert.equal(await terminator.serial('b.test'), other.serial);
  assert.equal(await terminator.serial('a.test'), first.serial);
  const late = await terminator.issue('a.test');
  const { fingerprint256, serial, notBefore, notAfter } = feed.prepare('file/a', 2, late);
  feed.setMaterial(missing.versionId, undefined);
  await feed.acknowledged(feed.publish({ ...missing, fingerprint256, serial, notBefore, notAfter }));
  feed.setMaterial(missing.versionId, late);
  await until(async () => (await terminator.serial('a.test')) === late.serial, { what: 'the retried certificate' });
});

test('never (§5.7): a snapshot that lost more than half of the certificates removes none until that is confirmed', async () => {
  await using terminator = await startTerminator();
  const { feed, supervisor } = terminator;
  for (const host of ['a', 'b', 'c', 'd']) await terminator.serve(`file/${host}`, 1, `${host}.test`);
  feed.forget('certificate/file/a', 'certificate/file/b', 'certificate/file/c');
  await feed.acknowledged(feed.snapshot());
  const shrunk = supervisor.status().problems.map(({ code }) => code);
  assert.deepEqual(shrunk, ['terminator.source-shrunk']);
  for (const host of ['a', 'b', 'c', 'd']) assert.ok(await terminator.serial(`${host}.test`));

  feed.publishCertificate('file/a', 1, await terminator.issue('a.test'));
  await feed.acknowledged(feed.snapshot());
  assert.deepEqual(supervisor.status().problems, [], 'half is no collapse');
  await assert.rejects(terminator.handshake('b.test'));

  feed.forget('certificate/file/a', 'certificate/file/d');
  await feed.acknowledged(feed.snapshot());
  assert.equal(supervisor.status().served, 2);
  await supervisor.confirmShrink();
  await until(() => supervisor.status().served === 0);
  assert.deepEqual(supervisor.status().problems, []);
  await assert.rejects(terminator.handshake('d.test'));
});

test('never (§5.7): trouble with a source changes nothing that is served, and an explicit removal takes effect at once', async () => {
  await using terminator = await startTerminator();
  const { feed, supervisor } = terminator;
  const { serial } = await terminator.serve('file/a', 1, 'a.test');
  feed.trouble('nobody answers');
  await until(() => supervisor.status().problems.some(({ code }) => code === 'terminator.control-unreachable'));
  assert.equal(await terminator.serial('a.test'), serial);
  feed.trouble(undefined);
  await until(() => supervisor.status().problems.length === 0);
  await feed.acknowledged(feed.remove('certificate/file/a'));
  await assert.rejects(terminator.handshake('a.test'));
});

test('of several sources ours comes first; when it is removed, the other one serves the host at once', async () => {
  const files = new TestFeed({ name: 'files:/certs', epoch: 'files' });
  await using terminator = await startTerminator({
    settings: { sources: [{ kind: 'files', directory: '/certs' }] },
    sources: () => files,
  });
  const theirs = await terminator.issue({ dnsNames: ['a.test'], notAfter: new Date(Date.now() + 9999 * hour) });
  files.publishCertificate('seen/files/a', 1, theirs);
  await until(async () => (await terminator.serial('a.test')) === theirs.serial);
  const ours = await terminator.serve('file/a', 1, 'a.test');
  assert.equal(await terminator.serial('a.test'), ours.serial);
  await terminator.feed.acknowledged(terminator.feed.remove('certificate/file/a'));
  assert.equal(await terminator.serial('a.test'), theirs.serial);
  await until(() =>
    terminator.feed.reports.some(({ served }) => served.some(({ source }) => source === 'files:/certs')),
  );
});

test('what is served is reported once as a whole, then as it changes, with since when', async () => {
  await using terminator = await startTerminator();
  const before = Date.now();
  const { serial } = await terminator.serve('file/a', 1, { dnsNames: ['a.test', 'www.a.test'] });
  const { feed } = terminator;
  await until(() => feed.reports.some(({ served }) => served.length > 0));
  assert.equal(feed.reports[0]?.complete, true);
  assert.equal(feed.reports.filter(({ complete }) => complete).length, 1);
  const entry = feed.reports.flatMap(({ served }) => served).at(-1);
  assert.equal(entry?.serial.toUpperCase(), serial);
  assert.deepEqual(entry.names, ['a.test', 'www.a.test']);
  assert.equal(entry.source, 'feed');
  assert.ok(entry.since >= before && entry.since <= Date.now());
  assert.equal(feed.reports.at(-1)?.workers.length, 2);
  assert.deepEqual(feed.reports.at(-1)?.listening, terminator.supervisor.status().listening);
  feed.remove('certificate/file/a');
  await until(() => feed.reports.some(({ gone }) => gone.includes('file/a')));
});

test('a restart without control serves what was served, with the same settings, and goes on from there', async () => {
  await using directory = await tempDir();
  const ca = await TestCa.create();
  const feed = new TestFeed();
  let serial: string;
  {
    await using terminator = await startTerminator({
      feed,
      ca,
      cacheDirectory: directory.path,
      routes: [respondRoute('a.test', 'kept')],
    });
    ({ serial } = await terminator.serve('file/a', 1, 'a.test'));
    await feed.acknowledged(feed.publish({ kind: 'settings', settings: terminator.settings }));
    await feed.acknowledged(
      feed.publish({
        kind: 'challenge',
        type: 'http-01',
        token: 'tok',
        identifier: 'a.test',
        keyAuthorization: 'tok.key',
      }),
    );
  }
  const dead = new TestFeed({ epoch: 'nobody' });
  dead.subscribe = async function* ({ since, signal }) {
    dead.since = since;
    yield { type: 'trouble', problem: { code: 'terminator.control-unreachable', message: 'nobody' } };
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  };
  await using again = await startTerminator({ feed: dead, ca, cacheDirectory: directory.path, withoutSettings: true });
  assert.equal(await again.serial('a.test'), serial);
  assert.equal((await again.fetch('a.test', '/')).body, 'kept');
  assert.equal((await again.plain('x.test', '/.well-known/acme-challenge/tok')).body, 'tok.key');
  assert.equal(again.supervisor.status().ready, true);
  await until(() => dead.since !== undefined);
  assert.equal(dead.since?.epoch, 'test');
});

test('an unreadable copy is reported, and the terminator starts without it', async () => {
  await using directory = await tempDir();
  {
    await using cache = createLastGoodCache({ directory: directory.join('copy'), keyFile: directory.join('copy.key') });
    await cache.load();
    await cache.putRevision('feed', { epoch: 'test', sequence: 1 });
  }
  const { rm, writeFile } = await import('node:fs/promises');
  await rm(directory.join('copy.key'));
  await writeFile(directory.join('copy.key'), 'too short');
  await using terminator = await startTerminator({ cacheDirectory: directory.path });
  assert.ok(terminator.supervisor.status().problems.some(({ code }) => code === 'terminator.cache-unreadable'));
  const { serial } = await terminator.serve('file/a', 1, 'a.test');
  assert.equal(await terminator.serial('a.test'), serial);
});

test('never (§5.7): what the brake holds is still held, and said, after a restart', async () => {
  await using directory = await tempDir();
  const shared = { ca: await TestCa.create(), feed: new TestFeed(), cacheDirectory: directory.path };
  {
    await using terminator = await startTerminator(shared);
    for (const host of ['a', 'b', 'c']) await terminator.serve(`file/${host}`, 1, `${host}.test`);
    shared.feed.forget('certificate/file/a', 'certificate/file/b');
    await shared.feed.acknowledged(shared.feed.snapshot());
  }
  await using again = await startTerminator(shared);
  await until(() => again.supervisor.status().problems.some(({ code }) => code === 'terminator.source-shrunk'));
  assert.ok(await again.serial('a.test'));
  await again.supervisor.confirmShrink();
  await assert.rejects(again.handshake('a.test'));
});

test('never (§5.3): a source that is read in another way serves on until the new reading says otherwise', async () => {
  const before = new TestFeed({ name: 'secrets:shop', epoch: 'before' });
  const after = new TestFeed({ name: 'secrets:shop', epoch: 'after' });
  await using terminator = await startTerminator({
    settings: { sources: [secretsWith('a')] },
    sources: (asked) => (asked.kind === 'kubernetesSecrets' && asked.selector === 'a' ? before : after),
  });
  const bundle = await terminator.issue('a.test');
  before.publishCertificate('seen/secrets/a', 1, bundle);
  await until(async () => (await terminator.serial('a.test')) === bundle.serial);
  const answersLate = Promise.withResolvers<void>();
  const subscribe = after.subscribe.bind(after);
  after.subscribe = async function* (options) {
    await answersLate.promise;
    yield* subscribe(options);
  };
  const settings = { ...terminator.settings, sources: [secretsWith('b')] };
  await terminator.feed.acknowledged(terminator.feed.publish({ kind: 'settings', settings }));
  assert.equal(await terminator.serial('a.test'), bundle.serial);
  after.publishCertificate('seen/secrets/b', 1, await terminator.issue('b.test'));
  answersLate.resolve();
  await until(async () => await terminator.serial('b.test'));
  await assert.rejects(terminator.handshake('a.test'), 'one of two is no collapse');
});

test('a source whose reading fails for an unforeseen reason is read again, and serves on meanwhile', async () => {
  const clock = new ManualClock(Date.now());
  const feed = new TestFeed();
  const subscribe = feed.subscribe.bind(feed);
  let subscribed = 0;
  feed.subscribe = async function* (options) {
    subscribed += 1;
    for await (const event of subscribe(options)) {
      if (subscribed === 1 && event.type === 'removed') throw new TypeError('unforeseen');
      yield event;
    }
  };
  await using terminator = await startTerminator({ clock, feed });
  const { serial } = await terminator.serve('file/a', 1, 'a.test');
  feed.remove('challenge/none');
  await until(() => terminator.supervisor.status().problems.some(({ message }) => message.includes('unforeseen')));
  assert.equal(await terminator.serial('a.test'), serial);
  await clock.advance(5_000);
  await until(() => subscribed === 2);
  await terminator.serve('file/b', 1, 'b.test');
  assert.deepEqual(terminator.supervisor.status().problems, []);
});
