import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../src/config/model.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import type { Issuer } from '../../src/core/ports/issuer.ts';
import { IssuerPool } from '../../src/main/issuers.ts';
import { trackCalls } from '../../src/main/track-calls.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { MemoryStore } from '../support/memory-store.ts';

function config(...issuers: Config['issuers']): Config {
  return { issuers, terminator: undefined } as never;
}

test('an issuer is idle only when every call has ended, also those that began meanwhile', async () => {
  const calls: PromiseWithResolvers<never>[] = [];
  const slow = {
    name: 'slow',
    steps: ['one'],
    begin: () => ({ step: 'one', data: {} }),
    step: async () => {
      const call = Promise.withResolvers<never>();
      calls.push(call);
      return await call.promise;
    },
  } as unknown as Issuer;
  const { issuer, idle } = trackCalls(slow);
  const request = { certificateId: 'a', dnsNames: ['a.example.com'], key: { algorithm: 'ecdsa', size: 256 } } as const;
  const step = (): Promise<unknown> => issuer.step(request, { step: 'one', data: {} }, new AbortController().signal);
  await idle();
  const first = step();
  let isIdle = false;
  const waiting = idle().then(() => (isIdle = true));
  const second = step();
  calls[0]?.reject(new Error('over'));
  await assert.rejects(first);
  await settle();
  assert.equal(isIdle, false);
  calls[1]?.reject(new Error('over'));
  await assert.rejects(second);
  await waiting;
  assert.equal(isIdle, true);
});

test('issuers that are prepared and not committed leave those in force as they are', async () => {
  const clock = new ManualClock();
  const deps = { store: new MemoryStore(), feedSolver: {} as never, clock, log: silentLog };
  await using pool = new IssuerPool(deps);
  const acme = {
    kind: 'acme',
    name: 'public',
    directory: 'https://127.0.0.1:1/directory',
    solvers: [{ kind: 'http01', listen: { host: '127.0.0.1', port: 15_001 } }],
  } as const;
  await using first = await pool.prepare(config(acme));
  first.commit();
  {
    await using refused = await pool.prepare(config({ ...acme, email: 'a@example.com' }));
    assert.notEqual(refused.byName.get('public'), first.byName.get('public'));
  }
  await using again = await pool.prepare(config(acme));
  assert.equal(again.byName.get('public'), first.byName.get('public'));

  await using next = await pool.prepare(config());
  next.commit();
  await settle();
  assert.equal(clock.pending.length, 1, 'what was replaced has a grace');
  await clock.advance(1_000);
  assert.deepEqual(clock.pending, []);
});
