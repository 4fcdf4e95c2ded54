import assert from 'node:assert/strict';
import test from 'node:test';
import { readBundle, readChain, type Bundle } from '../../src/core/bundle.ts';
import { hasCode } from '../../src/core/errors.ts';
import { feedKey, type CertificateItem, type FeedItem } from '../../src/core/feed.ts';
import type { CertificateSource, SourceEvent } from '../../src/core/ports/certificate-source.ts';
import { TestCa } from '../support/test-ca.ts';
import { until } from '../support/until.ts';

/** What a contract test needs of one kind of source. */
export interface SourceHarness extends AsyncDisposable {
  readonly source: CertificateSource;
  /** Puts a certificate where the source reads it, under that name; a second time replaces it. */
  put(name: string, bundle: Bundle): Promise<void>;
  remove(name: string): Promise<void>;
  /** Makes the place unreadable, and readable again. */
  breakPlace(): Promise<void>;
  repairPlace(): Promise<void>;
}

/** What the events so far amount to, as any reader has to take them. */
class Reader {
  readonly events: SourceEvent[] = [];
  readonly items = new Map<string, FeedItem>();
  trouble: string | undefined;
  #part = new Set<string>();

  take(event: SourceEvent): void {
    this.events.push(event);
    if (event.type === 'trouble') this.trouble = event.problem?.code;
    else if (event.type === 'removed') this.items.delete(event.key);
    else if (event.type === 'item') this.items.set(feedKey(event.item), event.item);
    else {
      for (const item of event.items) {
        this.items.set(feedKey(item), item);
        this.#part.add(feedKey(item));
      }
      if (!event.complete) return;
      for (const key of this.items.keys()) if (!this.#part.has(key)) this.items.delete(key);
      this.#part = new Set();
    }
  }

  certificates(): CertificateItem[] {
    return [...this.items.values()].filter((item) => item.kind === 'certificate');
  }

  serials(): string[] {
    return this.certificates()
      .map(({ serial }) => serial)
      .toSorted();
  }
}

/** The contract of `CertificateSource` in core/ports/certificate-source.ts, for every implementation. */
export function certificateSourceContract(kind: string, setup: () => Promise<SourceHarness>): void {
  const contract = (name: string, body: (harness: SourceHarness, ca: TestCa) => Promise<void>): void => {
    test(`${kind} source: ${name}`, async () => {
      await using harness = await setup();
      await body(harness, await TestCa.create());
    });
  };

  contract('begins with a snapshot and then follows what is added, replaced and removed', async (harness, ca) => {
    const [a, b, newer] = [await bundleFor(ca, 'a.test'), await bundleFor(ca, 'b.test'), await bundleFor(ca, 'a.test')];
    await harness.put('a', a);
    await using reading = read(harness.source);
    const { reader } = reading;
    await until(() => reader.items.size === 1);
    assert.equal(reader.events[0]?.type, 'snapshot');
    assert.deepEqual(reader.serials(), [a.serial]);
    await harness.put('b', b);
    await until(() => reader.items.size === 2, { what: 'the second one' });
    await harness.put('a', newer);
    await until(() => reader.serials().includes(newer.serial), { what: 'the replacement' });
    assert.deepEqual(reader.serials(), [b.serial, newer.serial].toSorted());
    await harness.remove('b');
    await until(() => reader.items.size === 1, { what: 'the removal' });
    assert.deepEqual(reader.serials(), [newer.serial]);
  });

  contract('gives the material of what it announces, whole and matching', async (harness, ca) => {
    const bundle = await bundleFor(ca, 'a.test');
    await harness.put('a', bundle);
    await using reading = read(harness.source);
    const item = await until(() => reading.reader.certificates()[0]);
    const material = await harness.source.material(item.versionId, reading.signal);
    const facts = readBundle(material, item.names);
    assert.equal(facts.serial, bundle.serial);
    assert.equal(facts.fingerprint256, item.fingerprint256);
    assert.deepEqual([item.notBefore, item.notAfter], [facts.notBefore, facts.notAfter]);
  });

  contract('says store.not-found for a version it does not have', async (harness, ca) => {
    await harness.put('a', await bundleFor(ca, 'a.test'));
    await using reading = read(harness.source);
    const item = await until(() => reading.reader.certificates()[0]);
    const { certificateId } = item;
    await assert.rejects(harness.source.material(`${certificateId}#999`, reading.signal), (error) =>
      hasCode(error, 'store.not-found'),
    );
  });

  contract('revisions of one epoch only grow', async (harness, ca) => {
    await using reading = read(harness.source);
    for (let i = 0; i < 4; i += 1) {
      const { serial, ...bundle } = await bundleFor(ca, 'a.test');
      await harness.put('a', bundle);
      await until(() => reading.reader.serials().includes(serial));
    }
    const last = new Map<string, number>();
    for (const event of reading.reader.events) {
      if (event.type === 'trouble') continue;
      const { epoch, sequence } = event.revision;
      assert.ok(sequence >= (last.get(epoch) ?? 0));
      last.set(epoch, sequence);
    }
  });

  contract(
    'never (§5.7): an unreadable place is trouble and takes nothing away; readable again, it goes on',
    async (harness, ca) => {
      const [a, b] = [await bundleFor(ca, 'a.test'), await bundleFor(ca, 'b.test')];
      await harness.put('a', a);
      await using reading = read(harness.source);
      const { reader } = reading;
      await until(() => reader.items.size === 1);
      await harness.breakPlace();
      await until(() => reader.trouble !== undefined, { what: 'the trouble' });
      assert.deepEqual(reader.serials(), [a.serial]);
      await harness.repairPlace();
      await until(() => reader.trouble === undefined, { what: 'the end of the trouble' });
      await harness.put('b', b);
      await until(() => reader.items.size === 2, { what: 'the change after it' });
      assert.deepEqual(reader.serials(), [a.serial, b.serial].toSorted());
    },
  );

  contract(
    'never (§5.10): the subscription ends with the signal, without an error, and can be had again',
    async (harness, ca) => {
      await harness.put('a', await bundleFor(ca, 'a.test'));
      for (let i = 0; i < 2; i += 1) {
        await using reading = read(harness.source);
        await until(() => reading.reader.items.size === 1);
        await reading[Symbol.asyncDispose]();
      }
    },
  );
}

interface Reading extends AsyncDisposable {
  readonly reader: Reader;
  readonly signal: AbortSignal;
}

/** Reads until it is disposed of; fails then if reading has. */
function read(source: CertificateSource): Reading {
  const stop = new AbortController();
  const reader = new Reader();
  const ended = (async () => {
    for await (const event of source.subscribe({ signal: stop.signal })) reader.take(event);
  })();
  return {
    reader,
    signal: stop.signal,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await ended;
    },
  };
}

async function bundleFor(ca: TestCa, host: string): Promise<Bundle & { serial: string }> {
  const leaf = await ca.issue({ dnsNames: [host] });
  const chainPem = leaf.fullchainPem;
  return { chainPem, keyPem: leaf.keyPem, serial: readChain(chainPem).serial };
}
