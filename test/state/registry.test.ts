import assert from 'node:assert/strict';
import test from 'node:test';
import { specDigest } from '../../src/core/certificate.ts';
import { hasCode, type ErrorCode } from '../../src/core/errors.ts';
import { keepRemovedMs, purgePauseMs } from '../../src/state/registry.ts';
import { keptVersions } from '../../src/state/finish.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { quickKey } from '../support/quick-certificate.ts';
import { temporaryStore } from '../store/opening.ts';
import { apply, bundleFor, day, issue, openFleet, orderOf, signal, spec } from './support/fleet.ts';

function withCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => {
    assert.ok(hasCode(error, code), `expected ${code}, got ${String(error)}`);
    return true;
  };
}

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

test('an issued version is in use, in the feed, in the history, and its order is gone', async () => {
  await using opened = await temporaryStore();
  const fleet = await openFleet(opened.store);
  const { registry, feed, store } = fleet;
  assert.deepEqual(await apply(fleet, spec('file/shop')), { added: 1, changed: 0, removed: 0 });
  const bundle = await issue(fleet, 'file/shop');
  const entry = registry.entry('file/shop');
  assert.equal(entry?.current?.id, 'file/shop#1');
  assert.equal(entry.record.currentVersion, 'file/shop#1');
  assert.equal(entry.order, undefined);
  assert.equal(await store.find('order', 'file/shop'), undefined);
  assert.deepEqual(await registry.bundle('file/shop#1', signal), bundle);
  const [item] = feed.items();
  assert.ok(item?.kind === 'certificate' && item.versionId === 'file/shop#1');
  const kinds = (await store.history({ limit: 10 })).map(({ kind }) => kind);
  assert.deepEqual(kinds, ['issued', 'attempt', 'config']);
});

test('never (§5.4): a restart finds everything as it was and writes nothing', async () => {
  await using opened = await temporaryStore();
  const first = await openFleet(opened.store);
  await apply(first, spec('file/a'), spec('file/b'), spec('file/c'));
  await issue(first, 'file/a');
  await first.registry.saveOrder(orderOf(first, 'file/b', { step: 'validate', waitUntil: 5 }), quickKey(), signal);
  const failure = { code: 'acme.rate-limited', message: 'Slow down.', at: first.clock.now(), issuer: 'ca' } as const;
  await first.registry.saveOrder(orderOf(first, 'file/c'), undefined, signal);
  await first.registry.failOrder(orderOf(first, 'file/c'), failure, first.clock.now() + 5000, signal);
  await first.registry.endOrder('file/c', signal);
  const revisions = await opened.store.list('certificate');
  const second = await openFleet(opened.store, first.clock);
  assert.deepEqual(await apply(second, spec('file/a'), spec('file/b'), spec('file/c')), {
    added: 0,
    changed: 0,
    removed: 0,
  });
  assert.deepEqual(await opened.store.list('certificate'), revisions);
  assert.deepEqual(second.feed.revision(), first.feed.revision());
  for (const { record, current, order } of first.registry.certificates()) {
    const again = second.registry.entry(record.id);
    assert.deepEqual(plain([again?.record, again?.current, again?.order]), plain([record, current, order]));
  }
  assert.equal(second.registry.entry('file/b')?.order?.waitUntil, 5);
  assert.match((await second.registry.orderKey('file/b', signal)) ?? '', /PRIVATE KEY/);
  assert.equal(await second.registry.orderKey('file/a', signal), undefined);
  assert.equal(second.registry.entry('file/c')?.record.retryAt, first.clock.now() + 5000);
});

test('never (§5.4): a crash after any write is made good by the next start', async () => {
  for (let writes = 0; ; writes += 1) {
    const store = new MemoryStore();
    const before = await openFleet(store);
    await apply(before, spec('file/shop'));
    await issue(before, 'file/shop', { notBefore: before.clock.now(), notAfter: before.clock.now() + 10 * day });
    const order = orderOf(before, 'file/shop');
    await before.registry.saveOrder(order, undefined, signal);
    let left = writes;
    store.beforeWrite = () => {
      left -= 1;
      if (left < 0) throw new Error('killed');
    };
    const now = before.clock.now();
    const bundle = bundleFor(['shop.example.com'], { notBefore: now, notAfter: now + 20 * day });
    const done = await before.registry.completeOrder('file/shop', bundle, signal).then(
      () => true,
      () => false,
    );
    store.beforeWrite = undefined;
    const after = await openFleet(store, before.clock);
    const entry = after.registry.entry('file/shop');
    if (entry?.order !== undefined) {
      assert.equal(writes, 0, 'only without any write is the order still open');
      await after.registry.completeOrder('file/shop', bundle, signal);
    }
    assert.equal(after.registry.entry('file/shop')?.current?.id, 'file/shop#2', `after ${writes} writes`);
    assert.equal(await store.find('order', 'file/shop'), undefined);
    assert.equal((await store.list('version')).items.length, 2);
    const item = after.feed.item('certificate/file/shop');
    assert.ok(item?.kind === 'certificate' && item.versionId === 'file/shop#2');
    assert.deepEqual(await after.registry.bundle('file/shop#2', signal), bundle);
    if (done) {
      assert.ok(writes >= 4, 'version, certificate, order, feed');
      return;
    }
  }
});

test('what a full disk left undone is finished without a restart', async () => {
  for (const kind of ['certificate', 'order', 'feed'] as const) {
    const store = new MemoryStore();
    const fleet = await openFleet(store);
    await apply(fleet, spec('file/shop'));
    await fleet.registry.saveOrder(orderOf(fleet, 'file/shop'), undefined, signal);
    store.beforeWrite = (_, written) => {
      if (written === kind) throw new Error('disk full');
    };
    const now = fleet.clock.now();
    const bundle = bundleFor(['shop.example.com'], { notBefore: now, notAfter: now + day });
    await assert.rejects(fleet.registry.completeOrder('file/shop', bundle, signal), /disk full/);
    store.beforeWrite = undefined;
    const { stored, unfinished } = fleet.registry.entry('file/shop') ?? {};
    assert.ok(stored !== undefined || unfinished === true, `${kind}: something is left to do`);
    await fleet.registry.finish('file/shop', signal);
    const entry = fleet.registry.entry('file/shop');
    assert.equal(entry?.current?.id, 'file/shop#1');
    assert.equal(entry.unfinished, false);
    assert.equal(entry.order, undefined);
    assert.ok(fleet.feed.item('certificate/file/shop') !== undefined);
  }
});

test('never (§5.1): what does not parse, match its key, carry the names or is over is refused', async () => {
  const fleet = await openFleet(new MemoryStore());
  await apply(fleet, spec('file/shop'));
  await issue(fleet, 'file/shop');
  const now = fleet.clock.now();
  const good = { notBefore: now, notAfter: now + 200 * day };
  const refused: readonly [ErrorCode, ReturnType<typeof bundleFor>][] = [
    ['certificate.unparsable', { chainPem: 'nonsense', keyPem: quickKey() }],
    ['certificate.key-mismatch', { ...bundleFor(['shop.example.com'], good), keyPem: quickKey() }],
    ['certificate.name-missing', bundleFor(['other.example.com'], good)],
    ['certificate.expired', bundleFor(['shop.example.com'], { notBefore: now - day, notAfter: now })],
    ['certificate.worse', bundleFor(['shop.example.com'], { notBefore: now, notAfter: now + day })],
  ];
  for (const [code, bundle] of refused) {
    await fleet.registry.saveOrder(orderOf(fleet, 'file/shop'), undefined, signal);
    await assert.rejects(fleet.registry.completeOrder('file/shop', bundle, signal), withCode(code));
    assert.equal(fleet.registry.entry('file/shop')?.current?.id, 'file/shop#1');
    await fleet.registry.endOrder('file/shop', signal);
  }
  assert.equal((await fleet.store.list('version')).items.length, 1);
});

test('a certificate that ends earlier is taken where it was asked for: another spec, or a person', async () => {
  for (const code of ['requested', 'ari-past']) {
    const fleet = await openFleet(new MemoryStore());
    await apply(fleet, spec('file/shop'));
    await issue(fleet, 'file/shop');
    const now = fleet.clock.now();
    await issue(fleet, 'file/shop', { notBefore: now, notAfter: now + day }, { reason: { code, message: '' } });
    assert.equal(fleet.registry.entry('file/shop')?.current?.number, 2);
  }
  const fleet = await openFleet(new MemoryStore());
  await apply(fleet, spec('file/shop'));
  await issue(fleet, 'file/shop');
  await apply(fleet, spec('file/shop', { lifetimeMs: day }));
  const now = fleet.clock.now();
  await issue(fleet, 'file/shop', { notBefore: now, notAfter: now + day });
  assert.equal(fleet.registry.entry('file/shop')?.current?.number, 2);
});

test('never (§5.1): a version with a notBefore in the future is held until then, also over a restart', async () => {
  const store = new MemoryStore();
  const first = await openFleet(store);
  await apply(first, spec('file/shop'));
  await issue(first, 'file/shop');
  const now = first.clock.now();
  await issue(first, 'file/shop', { notBefore: now + day, notAfter: now + 200 * day });
  const held = first.registry.entry('file/shop');
  assert.equal(held?.current?.number, 1);
  assert.equal(held.stored?.number, 2);
  assert.equal(held.order, undefined);
  const second = await openFleet(store, first.clock);
  assert.equal(second.registry.entry('file/shop')?.stored?.number, 2);
  await first.clock.jumpTo(now + day);
  await second.registry.finish('file/shop', signal);
  assert.equal(second.registry.entry('file/shop')?.current?.number, 2);
  assert.equal(second.registry.entry('file/shop')?.stored, undefined);
  const item = second.feed.item('certificate/file/shop');
  assert.ok(item?.kind === 'certificate' && item.versionId === 'file/shop#2');
});

test('a failure is kept with its time of the next attempt, and counted once whatever crashes', async () => {
  const failure = { code: 'issuer.unreachable', message: 'No route.', at: 7, issuer: 'ca' } as const;
  for (let writes = 0; writes <= 2; writes += 1) {
    const store = new MemoryStore();
    const fleet = await openFleet(store);
    await apply(fleet, spec('file/shop'));
    const order = orderOf(fleet, 'file/shop');
    await fleet.registry.saveOrder(order, undefined, signal);
    let left = writes;
    store.beforeWrite = () => {
      left -= 1;
      if (left < 0) throw new Error('killed');
    };
    await fleet.registry.failOrder(order, failure, 99, signal).catch(() => undefined);
    store.beforeWrite = undefined;
    for (const again of [await openFleet(store), await openFleet(store)]) {
      const { record, order: left } = again.registry.entry('file/shop') ?? {};
      assert.equal(record?.failures, writes === 0 ? 0 : 1);
      assert.equal(record.retryAt, writes === 0 ? undefined : 99);
      assert.equal(left?.abandoning, writes === 0 ? undefined : true);
    }
  }
});

test('never (§5.7): a set that loses more than half is refused and nothing changes, until it is accepted', async () => {
  const fleet = await openFleet(new MemoryStore());
  const all = ['a', 'b', 'c', 'd'].map((name) => spec(`file/${name}`));
  await apply(fleet, ...all);
  const options = { acceptRemoval: false, actor: 'config' };
  await assert.rejects(fleet.registry.apply([], options, signal), withCode('config.removal-held'));
  await assert.rejects(fleet.registry.apply(all.slice(0, 1), options, signal), withCode('config.removal-held'));
  assert.ok(fleet.registry.certificates().every(({ record }) => record.removedAt === undefined));
  assert.equal((await fleet.registry.apply(all.slice(0, 2), options, signal)).removed, 2);
  await assert.rejects(fleet.registry.apply([], options, signal), withCode('config.removal-held'));
  assert.equal((await apply(fleet)).removed, 2);
});

test('never (§5.7): removal ends renewal and nothing else; coming back takes up the version', async () => {
  const fleet = await openFleet(new MemoryStore());
  await apply(fleet, spec('file/a'), spec('file/b'));
  await issue(fleet, 'file/a');
  await apply(fleet, spec('file/b'));
  assert.equal(fleet.registry.entry('file/a')?.record.removedAt, fleet.clock.now());
  assert.ok(fleet.feed.item('certificate/file/a') !== undefined, 'it is served on');
  await assert.rejects(fleet.registry.requestRenewal('file/a', 'cli', signal), withCode('certificate.removed'));
  assert.equal(await fleet.registry.purge(fleet.clock.now() + keepRemovedMs - 1, signal), 0);
  assert.deepEqual(await apply(fleet, spec('file/a'), spec('file/b')), { added: 0, changed: 1, removed: 0 });
  const back = fleet.registry.entry('file/a');
  assert.equal(back?.record.removedAt, undefined);
  assert.equal(back?.current?.id, 'file/a#1');
  await apply(fleet, spec('file/b'));
  const due = fleet.clock.now() + keepRemovedMs;
  assert.equal(await fleet.registry.purge(due, signal), 0, 'a second look confirms it');
  assert.equal(await fleet.registry.purge(due + purgePauseMs, signal), 1);
  assert.equal(fleet.registry.entry('file/a'), undefined);
  assert.equal(fleet.feed.item('certificate/file/a'), undefined);
  assert.equal((await fleet.store.list('version')).items.length, 0);
  assert.equal((await fleet.store.list('certificate')).items.length, 1);
});

test('never (§5.11): a clock that jumps ahead for a while deletes no keys of what was removed', async () => {
  const fleet = await openFleet(new MemoryStore());
  await apply(fleet, spec('file/a'));
  await issue(fleet, 'file/a');
  await apply(fleet);
  const now = fleet.clock.now();
  const ahead = now + 400 * day;
  assert.equal(await fleet.registry.purge(ahead, signal), 0);
  assert.equal(await fleet.registry.purge(now + day, signal), 0, 'set right again');
  assert.equal(await fleet.registry.purge(ahead + 5 * day, signal), 0, 'the next jump is another one');
  const again = await openFleet(fleet.store, fleet.clock);
  await again.registry.bundle('file/a#1', signal);
  assert.equal(
    await again.registry.purge(ahead + 6 * day, signal),
    1,
    'a look a day later confirms it, over a restart',
  );
});

test('never (§5.8): the same spec in another form, or with other issuers and outputs, changes no digest', async () => {
  const fleet = await openFleet(new MemoryStore());
  const first = spec('file/a', { dnsNames: ['a.example.com', 'b.example.com'] });
  await apply(fleet, first);
  await issue(fleet, 'file/a');
  assert.equal((await apply(fleet, { ...first, lifetimeMs: undefined })).changed, 0, 'undefined is absent');
  const output = { kind: 'kubernetesSecret', id: 'secret:a/b', namespace: 'a', name: 'b' } as const;
  const other = { ...first, dnsNames: [...first.dnsNames].toReversed(), issuers: ['ca', 'b'], outputs: [output] };
  assert.equal((await apply(fleet, other)).changed, 1);
  const { record } = fleet.registry.entry('file/a') ?? {};
  assert.equal(record?.issuedDigest, specDigest(other));
});

test('a spec that changed is tried at once: its back-off was for another request', async () => {
  const fleet = await openFleet(new MemoryStore());
  await apply(fleet, spec('file/a'));
  const order = orderOf(fleet, 'file/a');
  await fleet.registry.saveOrder(order, undefined, signal);
  const failure = { code: 'acme.challenge-failed', message: 'No.', at: 1 } as const;
  await fleet.registry.failOrder(order, failure, fleet.clock.now() + day, signal);
  const output = { kind: 'kubernetesSecret', id: 'secret:a/b', namespace: 'a', name: 'b' } as const;
  await apply(fleet, spec('file/a', { outputs: [output] }));
  assert.equal(fleet.registry.entry('file/a')?.record.failures, 1, 'an output is no part of it');
  await apply(fleet, spec('file/a', { dnsNames: ['other.example.com'] }));
  assert.equal(fleet.registry.entry('file/a')?.record.failures, 0);
  assert.equal(fleet.registry.entry('file/a')?.record.retryAt, undefined);
});

test('deliveries are kept per output and go with it', async () => {
  const fleet = await openFleet(new MemoryStore());
  const output = { kind: 'kubernetesSecret', id: 'secret:a/b', namespace: 'a', name: 'b' } as const;
  await apply(fleet, spec('file/a', { outputs: [output] }));
  const heard: string[][] = [];
  using _ = fleet.registry.onChange((ids) => void heard.push([...ids]));
  const state = { versionId: 'file/a#1', deliveredAt: 1, failures: 0 };
  await fleet.registry.recordDelivery('file/a', output.id, state, signal);
  const failure = { code: 'output.not-owned', message: 'Another one owns it.', at: 2 } as const;
  await fleet.registry.recordDelivery('file/a', output.id, { failures: 1, failure, retryAt: 9 }, signal);
  assert.equal(fleet.registry.entry('file/a')?.record.outputs[output.id]?.failures, 1);
  assert.deepEqual(heard, [['file/a'], ['file/a']]);
  const kinds = (await fleet.store.history({ limit: 2 })).map(({ kind }) => kind);
  assert.deepEqual(kinds, ['delivery-failed', 'delivered']);
  await apply(fleet, spec('file/a'));
  assert.deepEqual(fleet.registry.entry('file/a')?.record.outputs, {});
});

test('old versions go, the newest stay, and numbers are never given twice', async () => {
  const fleet = await openFleet(new MemoryStore());
  await apply(fleet, spec('file/a'));
  for (let i = 0; i < keptVersions + 3; i += 1) await issue(fleet, 'file/a');
  const numbers = (await fleet.store.list('version')).items.map(({ value }) => value.number).toSorted((a, b) => a - b);
  assert.deepEqual(numbers, [4, 5, 6, 7, 8]);
  assert.equal(fleet.registry.entry('file/a')?.record.nextNumber, 9);
});

test('changes of one certificate happen one at a time, of several side by side', async () => {
  const store = new MemoryStore();
  const fleet = await openFleet(store);
  await apply(fleet, spec('file/a'), spec('file/b'));
  const open = new Set<string>();
  let most = 0;
  store.beforeWrite = async (_, kind, key) => {
    if (kind !== 'certificate') return;
    assert.ok(!open.has(key), 'two writes of one record at once');
    open.add(key);
    most = Math.max(most, open.size);
    await new Promise((resolve) => setImmediate(resolve));
    open.delete(key);
  };
  const work = ['file/a', 'file/b', 'file/a', 'file/b', 'file/a'].map(async (id, i) => {
    await fleet.registry.recordDelivery(id, `secret:${i}`, { failures: 0, deliveredAt: i }, signal);
  });
  await Promise.all(work);
  assert.equal(most, 2);
  assert.equal(Object.keys(fleet.registry.entry('file/a')?.record.outputs ?? {}).length, 3);
});

test('a record somebody else changed is taken over and reported, not written over', async () => {
  const fleet = await openFleet(new MemoryStore());
  await apply(fleet, spec('file/a'));
  const theirs = await fleet.store.get('certificate', 'file/a');
  await fleet.store.put('certificate', { key: 'file/a', value: { ...theirs.value, failures: 7 }, expect: 'any' });
  await assert.rejects(fleet.registry.requestRenewal('file/a', 'cli', signal), withCode('store.conflict'));
  assert.equal(fleet.registry.entry('file/a')?.record.failures, 7);
  await fleet.registry.requestRenewal('file/a', 'cli', signal);
});

test('an answer that was lost after the write is no conflict', async () => {
  const store = new MemoryStore();
  const fleet = await openFleet(store);
  await apply(fleet, spec('file/a'));
  const put = store.put.bind(store);
  let lost = true;
  store.put = async (...args: Parameters<typeof put>) => {
    const revision = await put(...args);
    if (!lost) return revision;
    lost = false;
    return await put(...args); // the client library sends it again
  };
  await fleet.registry.recordDelivery('file/a', 'secret:x', { failures: 0, deliveredAt: 5 }, signal);
  assert.equal(fleet.registry.entry('file/a')?.record.outputs['secret:x']?.deliveredAt, 5);
  await fleet.registry.recordDelivery('file/a', 'secret:x', { failures: 0, deliveredAt: 6 }, signal);
});

test('challenge answers that no order needs are taken back at the start, and when their order ends', async () => {
  const store = new MemoryStore();
  const first = await openFleet(store);
  await apply(first, spec('file/a'));
  const answer = { kind: 'challenge', type: 'http-01', identifier: 'a.example.com', keyAuthorization: 'k' } as const;
  for (const token of ['t', 'stray']) await first.feed.publish({ ...answer, token }, signal);
  const data = { challenges: [{ token: 't' }] };
  await first.registry.saveOrder(orderOf(first, 'file/a', { data }), undefined, signal);
  const second = await openFleet(store, first.clock);
  assert.ok(second.feed.item('challenge/t') !== undefined, 'its order still needs it');
  assert.equal(second.feed.item('challenge/stray'), undefined);
  const before = second.feed.revision();
  await second.registry.endOrder('file/a', signal);
  assert.equal(second.feed.item('challenge/t'), undefined, 'it ends with its order');
  assert.equal(second.feed.read(before).lines[0]?.type, 'removed');
});
