/** What every `CertificateStore` keeps (core/ports/certificate-store.ts). Run it once per implementation. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { hasCode, type ErrorCode } from '../../src/core/errors.ts';
import type { CertificateStore } from '../../src/core/ports/certificate-store.ts';
import type { HistoryEntry, OrderRecord, SettingRecord } from '../../src/core/records.ts';
import { casModelCommands, type CasModel } from './cas-model.ts';

export interface OpenedStore extends AsyncDisposable {
  readonly store: CertificateStore;
}

export function order(certificateId: string, step = 'start'): OrderRecord {
  return {
    certificateId,
    issuerName: 'local',
    request: { dnsNames: [`${certificateId}.example`, 'ü.example'], key: { algorithm: 'ecdsa', size: 256 } },
    digest: 'd',
    reason: { code: 'missing', message: 'There is none yet.' },
    startedAt: 1_700_000_000_000,
    step,
    data: { nested: [{ deep: [1, 2.5, null, true, 'quote " and \\ and \u2028'] }] },
  };
}

export function entry(
  at: number,
  certificateId?: string,
  kind: HistoryEntry['kind'] = 'attempt',
): Omit<HistoryEntry, 'id'> {
  const base = { at, kind, code: 'test', message: `At ${at}.`, actor: 'scheduler', details: { at } };
  return certificateId === undefined ? base : { ...base, certificateId };
}

export async function rejectsWith(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(hasCode(error, code), `expected ${code}, got ${String(error)}`);
    return true;
  });
}

export function certificateStoreContract(name: string, open: () => Promise<OpenedStore>): void {
  describe(`${name} keeps the store contract`, () => {
    test('what is not there is an error by code, and undefined only for find', async () => {
      await using opened = await open();
      const { store } = opened;
      await rejectsWith(store.get('order', 'nowhere'), 'store.not-found');
      await rejectsWith(store.secret('order', 'nowhere'), 'store.not-found');
      assert.equal(await store.find('order', 'nowhere'), undefined);
      await rejectsWith(store.delete('order', 'nowhere', 'any'), 'store.not-found');
      assert.deepEqual(await store.list('order'), { items: [] });
    });

    test('a record comes back deeply equal, under the revision that put resolved', async () => {
      await using opened = await open();
      const { store } = opened;
      const value = order('file/shop');
      const revision = await store.put('order', { key: 'file/shop', value, expect: 'absent' });
      assert.deepEqual(await store.get('order', 'file/shop'), { key: 'file/shop', revision, value });
      assert.deepEqual(await store.find('order', 'file/shop'), { key: 'file/shop', revision, value });
    });

    test('what a caller does to its object after put is not stored', async () => {
      await using opened = await open();
      const { store } = opened;
      const value = { value: 'before' };
      const put = store.put('setting', { key: 'a', value, expect: 'absent' });
      value.value = 'after';
      await put;
      const found = await store.get('setting', 'a');
      assert.equal(found.value.value, 'before');
      (found.value as { value: string }).value = 'changed in a reader';
      assert.equal((await store.get('setting', 'a')).value.value, 'before');
    });

    test('put refuses what does not meet its expectation and leaves the record as it was', async () => {
      await using opened = await open();
      const { store } = opened;
      const secret = { keyPem: 'first' };
      await rejectsWith(
        store.put('order', { key: 'a', value: order('a'), expect: { revision: 'x' } }),
        'store.conflict',
      );
      assert.equal(await store.find('order', 'a'), undefined);
      const first = await store.put('order', { key: 'a', value: order('a'), secret, expect: 'absent' });
      const other = { keyPem: 'other' };
      await rejectsWith(
        store.put('order', { key: 'a', value: order('a', 'b'), secret: other, expect: 'absent' }),
        'store.conflict',
      );
      const second = await store.put('order', { key: 'a', value: order('a', 'c'), expect: { revision: first } });
      assert.notEqual(second, first);
      await rejectsWith(
        store.put('order', { key: 'a', value: order('a', 'd'), secret: other, expect: { revision: first } }),
        'store.conflict',
      );
      assert.deepEqual(await store.get('order', 'a'), { key: 'a', revision: second, value: order('a', 'c') });
      assert.deepEqual(await store.secret('order', 'a'), secret);
    });

    test('of many writers that read the same revision exactly one wins', async () => {
      await using opened = await open();
      const { store } = opened;
      const revision = await store.put('setting', { key: 'a', value: { value: 'start' }, expect: 'absent' });
      const attempts = await Promise.allSettled(
        Array.from({ length: 20 }, async (_, i) =>
          store.put('setting', { key: 'a', value: { value: `writer ${i}` }, expect: { revision } }),
        ),
      );
      const winners = attempts.flatMap((attempt, i) => (attempt.status === 'fulfilled' ? [{ attempt, i }] : []));
      assert.equal(winners.length, 1);
      for (const attempt of attempts)
        if (attempt.status === 'rejected') assert.ok(hasCode(attempt.reason, 'store.conflict'));
      const [winner] = winners;
      assert.deepEqual(await store.get('setting', 'a'), {
        key: 'a',
        revision: winner?.attempt.value,
        value: { value: `writer ${winner?.i}` },
      });
    });

    test('"any" writes over what is there and makes what is not', async () => {
      await using opened = await open();
      const { store } = opened;
      await store.put('setting', { key: 'a', value: { value: '1' }, expect: 'any' });
      const revision = await store.put('setting', { key: 'a', value: { value: '2' }, expect: 'any' });
      assert.deepEqual(await store.get('setting', 'a'), { key: 'a', revision, value: { value: '2' } });
    });

    test('a secret stays until another is put, and a record without one says not found', async () => {
      await using opened = await open();
      const { store } = opened;
      await store.put('order', { key: 'a', value: order('a'), expect: 'absent' });
      await rejectsWith(store.secret('order', 'a'), 'store.not-found');
      await store.put('order', { key: 'a', value: order('a'), secret: { keyPem: 'one' }, expect: 'any' });
      await store.put('order', { key: 'a', value: order('a', 'next'), expect: 'any' });
      assert.deepEqual(await store.secret('order', 'a'), { keyPem: 'one' });
      await store.put('order', { key: 'a', value: order('a', 'next'), secret: { keyPem: 'two' }, expect: 'any' });
      assert.deepEqual(await store.secret('order', 'a'), { keyPem: 'two' });
      await store.delete('order', 'a', 'any');
      await store.put('order', { key: 'a', value: order('a'), expect: 'absent' });
      await rejectsWith(store.secret('order', 'a'), 'store.not-found');
    });

    test('never (§5.9): get, find and list carry no secret', async () => {
      await using opened = await open();
      const { store } = opened;
      const marker = 'MARKER-OF-A-SECRET';
      await store.put('order', { key: 'a', value: order('a'), secret: { keyPem: marker }, expect: 'absent' });
      const seen = [await store.get('order', 'a'), await store.find('order', 'a'), await store.list('order')];
      assert.equal(JSON.stringify(seen).includes(marker), false);
      assert.deepEqual(await store.secret('order', 'a'), { keyPem: marker });
    });

    test('delete wants the revision that is there, and a record made again has a new one', async () => {
      await using opened = await open();
      const { store } = opened;
      const first = await store.put('setting', { key: 'a', value: { value: '1' }, expect: 'absent' });
      const second = await store.put('setting', { key: 'a', value: { value: '2' }, expect: { revision: first } });
      await rejectsWith(store.delete('setting', 'a', { revision: first }), 'store.conflict');
      await store.delete('setting', 'a', { revision: second });
      assert.equal(await store.find('setting', 'a'), undefined);
      await rejectsWith(store.delete('setting', 'a', { revision: second }), 'store.conflict');
      const third = await store.put('setting', { key: 'a', value: { value: '2' }, expect: 'absent' });
      assert.ok(third !== first && third !== second);
      await rejectsWith(
        store.put('setting', { key: 'a', value: { value: '3' }, expect: { revision: second } }),
        'store.conflict',
      );
    });

    test('kinds do not share keys', async () => {
      await using opened = await open();
      const { store } = opened;
      await store.put('setting', { key: 'a', value: { value: 'setting' }, expect: 'absent' });
      await store.put('order', { key: 'a', value: order('a'), expect: 'absent' });
      await store.delete('setting', 'a', 'any');
      assert.deepEqual((await store.get('order', 'a')).value, order('a'));
    });

    test('a list is in order of key, by prefix, in pages that miss and repeat nothing', async () => {
      await using opened = await open();
      const { store } = opened;
      const keys = Array.from({ length: 25 }, (_, i) => `file/${String(i).padStart(3, '0')}`);
      const others = ['file', 'fil/x', 'filf', 'route/_wildcard.a'];
      await Promise.all(
        [...keys.toReversed(), ...others].map(async (key) =>
          store.put('setting', { key, value: { value: key }, expect: 'absent' }),
        ),
      );
      const seen: string[] = [];
      for (let after: string | undefined, pages = 0; ; pages += 1) {
        assert.ok(pages < 10);
        const page = await store.list('setting', {
          prefix: 'file/',
          limit: 10,
          ...(after === undefined ? {} : { after }),
        });
        assert.ok(page.items.length <= 10);
        for (const item of page.items) assert.equal(item.value.value, item.key);
        seen.push(...page.items.map((item) => item.key));
        after = page.next;
        if (after === undefined) break;
      }
      assert.deepEqual(seen, keys);
      const all = await store.list('setting', { limit: 10_000 });
      assert.deepEqual(
        all.items.map((item) => item.key),
        [...keys, ...others].toSorted(),
      );
      assert.deepEqual((await store.list('setting', { prefix: 'nothing' })).items, []);
      assert.deepEqual((await store.list('setting', { prefix: 'file/', after: keys.at(-1) ?? '' })).items, []);
    });

    test('keys may be long and strange, but not longer than 512 characters or empty', async () => {
      await using opened = await open();
      const { store } = opened;
      const strange = ['x'.repeat(512), 'route/_wildcard.apps.localhost#12', 'a\'b"c;--%_*?', 'ключ/鍵/🔑', ' '];
      for (const key of strange) {
        await store.put('setting', { key, value: { value: key }, expect: 'absent' });
        assert.equal((await store.get('setting', key)).value.value, key);
      }
      for (const key of ['x'.repeat(513), '', '\ud800'])
        await rejectsWith(store.put('setting', { key, value: { value: '' }, expect: 'any' }), 'internal.unexpected');
      assert.equal((await store.list('setting')).items.length, strange.length);
    });

    test('an operation whose signal has fired does not begin', async () => {
      await using opened = await open();
      const { store } = opened;
      const signal = AbortSignal.abort(new Error('stopped'));
      const value: SettingRecord = { value: 'x' };
      await assert.rejects(store.put('setting', { key: 'a', value, expect: 'any' }, signal), /stopped/);
      await assert.rejects(store.get('setting', 'a', signal), /stopped/);
      await assert.rejects(store.append(entry(1), signal), /stopped/);
      assert.equal(await store.find('setting', 'a'), undefined);
      assert.deepEqual(await store.history({ limit: 10 }), []);
    });

    test('history is numbered upwards and read newest first, by certificate, kind and page', async () => {
      await using opened = await open();
      const { store } = opened;
      const ids: number[] = [];
      for (let i = 0; i < 9; i += 1) {
        const kept = await store.append(entry(i, `file/${i % 3}`, i % 2 === 0 ? 'issued' : 'failed'));
        assert.deepEqual(kept, { ...entry(i, `file/${i % 3}`, i % 2 === 0 ? 'issued' : 'failed'), id: kept.id });
        ids.push(kept.id);
      }
      assert.deepEqual(
        ids,
        [...new Set(ids)].toSorted((a, b) => a - b),
      );
      await store.append(entry(9));
      const at = async (query: Parameters<CertificateStore['history']>[0]): Promise<number[]> =>
        (await store.history(query)).map((found) => found.at);
      assert.deepEqual(await at({ limit: 100 }), [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
      assert.deepEqual(await at({ limit: 2 }), [9, 8]);
      assert.deepEqual(await at({ limit: 2, before: ids[8] ?? 0 }), [7, 6]);
      assert.deepEqual(await at({ limit: 100, certificateId: 'file/1' }), [7, 4, 1]);
      assert.deepEqual(await at({ limit: 100, kinds: ['issued'], certificateId: 'file/1' }), [4]);
      assert.deepEqual(await at({ limit: 100, kinds: ['failed', 'config'] }), [7, 5, 3, 1]);
      assert.deepEqual(await at({ limit: 100, kinds: [] }), []);
      assert.deepEqual(await store.history({ limit: 1 }), [{ ...entry(9), id: (ids[8] ?? 0) + 1 }]);
    });

    test('compare-and-swap behaves like a map with revisions, whatever the order of operations', async () => {
      await fc.assert(
        fc.asyncProperty(fc.commands(casModelCommands, { maxCommands: 40 }), async (commands) => {
          await using opened = await open();
          const model: CasModel = { records: new Map(), revisions: new Map(), spent: new Set() };
          await fc.asyncModelRun(() => ({ model, real: opened.store }), commands);
        }),
        { numRuns: 30 },
      );
    });
  });
}
