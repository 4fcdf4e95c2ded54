import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  parseRevision,
  type CertificateItem,
  type FeedItem,
  type FeedLine,
  type Revision,
} from '../../src/core/feed.ts';
import { feedKey } from '../../src/core/feed.ts';
import type { CertificateStore } from '../../src/core/ports/certificate-store.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import { createFeed, maxRemovals, type Feed } from '../../src/state/feed.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { temporaryStore } from '../store/opening.ts';

const signal = new AbortController().signal;

function item(id: string, version = 1): CertificateItem {
  const facts = { names: [`${id}.example.com`], notBefore: 0, notAfter: 1, serial: '01', fingerprint256: 'ab' };
  return { kind: 'certificate', certificateId: id, versionId: `${id}#${version}`, ...facts };
}

async function load(store: CertificateStore): Promise<Feed> {
  const feed = createFeed({ store, log: silentLog });
  await feed.load(signal);
  return feed;
}

/** What a subscriber has, and how it takes lines: the reader's half of the protocol, written from `core/feed.ts`. */
class Subscriber {
  items = new Map<string, FeedItem>();
  revision: Revision | undefined;
  #snapshot: Map<string, FeedItem> | undefined;

  catchUp(feed: Feed): void {
    const lines = JSON.parse(JSON.stringify(feed.read(this.revision).lines)) as FeedLine[];
    for (const line of lines) this.take(line);
    if (lines.length === 0) this.revision = feed.revision();
  }

  take(line: FeedLine): void {
    if (line.type === 'snapshot-begin') this.#snapshot = new Map();
    if (line.type === 'item') (this.#snapshot ?? this.items).set(feedKey(line.item), line.item);
    if (line.type === 'removed') this.items.delete(line.key);
    if (line.type === 'snapshot-end' && this.#snapshot !== undefined) {
      this.items = this.#snapshot;
      this.#snapshot = undefined;
    }
    if (this.#snapshot === undefined) {
      const revision = parseRevision(line.revision);
      const last = this.revision;
      assert.ok(revision !== undefined);
      if (line.type !== 'snapshot-end' && last?.epoch === revision.epoch) {
        assert.ok(revision.sequence > last.sequence, 'changes come in order');
      }
      this.revision = revision;
    }
  }

  state(): unknown {
    return [...this.items].toSorted(([a], [b]) => (a < b ? -1 : 1));
  }
}

function stateOf(feed: Feed): unknown {
  const fresh = new Subscriber();
  fresh.catchUp(feed);
  return fresh.state();
}

test('an item that is there already, unchanged, keeps its revision and is not published again', async () => {
  const store = new MemoryStore();
  const feed = await load(store);
  const first = await feed.publish(item('a'), signal);
  const puts = store.puts.get('feed');
  assert.deepEqual(await feed.publish({ ...item('a') }, signal), first);
  assert.equal(store.puts.get('feed'), puts);
  const second = await feed.publish(item('a', 2), signal);
  assert.equal(second.sequence, first.sequence + 1);
  assert.deepEqual(feed.item('certificate/a'), item('a', 2));
});

test('removing what is not there changes nothing', async () => {
  const feed = await load(new MemoryStore());
  const before = feed.revision();
  assert.deepEqual(await feed.remove('certificate/none', signal), before);
  await feed.publish(item('a'), signal);
  const removed = await feed.remove('certificate/a', signal);
  assert.deepEqual(await feed.remove('certificate/a', signal), removed);
});

test('a listener hears of a change when it can be read, in order, however the writes finish', async () => {
  const store = new MemoryStore();
  const feed = await load(store);
  const { promise: slow, resolve } = Promise.withResolvers<void>();
  store.beforeWrite = async (_, kind, key) => {
    if (kind === 'feed' && key === 'certificate/slow') await slow;
  };
  const heard: number[] = [];
  using _ = feed.onPublish(({ sequence }) => {
    heard.push(sequence);
    assert.equal(feed.revision().sequence, sequence);
  });
  const first = feed.publish(item('slow'), signal);
  const second = feed.publish(item('quick'), signal);
  await new Promise((settled) => setImmediate(settled));
  assert.deepEqual(heard, [], 'the second is not visible before the first');
  resolve();
  await Promise.all([first, second]);
  assert.deepEqual(heard, [1, 2]);
});

test('a write that fails publishes nothing and holds up nobody', async () => {
  const store = new MemoryStore();
  const feed = await load(store);
  store.beforeWrite = (_, kind, key) => {
    if (kind === 'feed' && key === 'certificate/bad') throw new Error('disk full');
  };
  const bad = feed.publish(item('bad'), signal);
  const good = feed.publish(item('good'), signal);
  await assert.rejects(bad, /disk full/);
  assert.equal((await good).sequence, 2);
  assert.deepEqual(feed.items(), [item('good')]);
  store.beforeWrite = undefined;
  await feed.publish(item('bad'), signal);
  assert.equal(feed.items().length, 2);
});

test('never (§5.4): a restart keeps epoch, sequence and items, challenges among them', async () => {
  await using opened = await temporaryStore();
  const first = await load(opened.store);
  await first.publish(item('a'), signal);
  const answer = { type: 'http-01', token: 't', identifier: 'a.example.com', keyAuthorization: 't.k' } as const;
  await first.publish({ kind: 'challenge', ...answer }, signal);
  await first.publish(item('b'), signal);
  const revision = await first.remove('certificate/a', signal);
  const second = await load(opened.store);
  assert.deepEqual(second.revision(), revision);
  assert.deepEqual(stateOf(second), stateOf(first));
  assert.deepEqual(
    second.read({ epoch: revision.epoch, sequence: 1 }),
    first.read({ epoch: revision.epoch, sequence: 1 }),
  );
});

test('a lost epoch starts a new one, and every subscriber a snapshot', async () => {
  const store = new MemoryStore();
  const first = await load(store);
  const old = await first.publish(item('a'), signal);
  await store.delete('setting', 'feed-epoch', 'any');
  const second = await load(store);
  assert.notEqual(second.revision().epoch, old.epoch);
  assert.equal(second.read(old).snapshot, true);
  assert.deepEqual(stateOf(second), stateOf(first));
});

test('a revision from the future means a snapshot', async () => {
  const feed = await load(new MemoryStore());
  const { epoch, sequence } = await feed.publish(item('a'), signal);
  assert.equal(feed.read({ epoch, sequence: sequence + 1 }).snapshot, true);
  assert.deepEqual(feed.read({ epoch, sequence }), { snapshot: false, lines: [] });
});

test('removals are forgotten beyond their bound, and who missed them gets a snapshot, also after a restart', async () => {
  const store = new MemoryStore();
  const feed = await load(store);
  const start = await feed.publish(item('first'), signal);
  const ids = Array.from({ length: maxRemovals + 1 }, (_, i) => `c${i}`);
  await Promise.all(ids.map(async (id) => await feed.publish(item(id), signal)));
  await Promise.all(ids.slice(0, maxRemovals).map(async (id) => await feed.remove(`certificate/${id}`, signal)));
  assert.equal(feed.read(start).snapshot, false, 'as many as are kept');
  await feed.remove(`certificate/${ids.at(-1)}`, signal);
  const again = await load(store);
  for (const one of [feed, again]) {
    assert.equal(one.read(start).snapshot, true);
    assert.deepEqual(one.items(), [item('first')]);
    assert.equal(one.read({ ...start, sequence: one.revision().sequence - 10 }).snapshot, false);
  }
  // Forgotten keys that come back must not make the floor forget itself.
  await Promise.all(ids.map(async (id) => await again.publish(item(id, 2), signal)));
  assert.equal((await load(store)).read(start).snapshot, true);
  assert.ok((await store.list('feed', { limit: 10_000 })).items.length > 0);
});

test('whoever resumes from whatever revision ends with the same items', async () => {
  const id = fc.constantFrom('a', 'b', 'c', 'd');
  const move = fc.oneof(
    fc.record({ kind: fc.constant('publish' as const), id, version: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ kind: fc.constant('remove' as const), id }),
    fc.record({ kind: fc.constant('read' as const), who: fc.nat(2) }),
    fc.constant({ kind: 'restart' as const }),
    fc.constant({ kind: 'epoch' as const }),
    fc.record({ kind: fc.constant('disk' as const), full: fc.boolean() }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(move, { maxLength: 60 }), async (moves) => {
      const store = new MemoryStore();
      let feed = await load(store);
      let full = false;
      store.beforeWrite = () => {
        if (full) throw new Error('disk full');
      };
      const subscribers = [new Subscriber(), new Subscriber(), new Subscriber()];
      for (const one of moves) {
        const quietly = async (work: Promise<unknown>): Promise<void> =>
          void (full ? await work.catch(() => undefined) : await work);
        if (one.kind === 'publish') await quietly(feed.publish(item(one.id, one.version), signal));
        if (one.kind === 'remove') await quietly(feed.remove(`certificate/${one.id}`, signal));
        if (one.kind === 'read') subscribers[one.who]?.catchUp(feed);
        if (one.kind === 'disk') ({ full } = one);
        if (one.kind === 'epoch' && !full) await store.delete('setting', 'feed-epoch', 'any').catch(() => undefined);
        if (one.kind === 'restart' && !full) feed = await load(store);
      }
      for (const subscriber of subscribers) {
        subscriber.catchUp(feed);
        assert.deepEqual(subscriber.state(), stateOf(feed));
      }
      full = false;
      assert.deepEqual(stateOf(await load(store)), stateOf(feed));
    }),
    { numRuns: 300 },
  );
});
