import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { createTokens } from '../../src/access/tokens.ts';
import { CertplaneError, hasCode } from '../../src/core/errors.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryStore } from '../support/memory-store.ts';

function setUp() {
  const clock = new ManualClock();
  const store = new MemoryStore();
  return { clock, store, tokens: createTokens({ store, clock }) };
}

suite('tokens', () => {
  test('have an id, 256 random bits, and are verified until they expire or are revoked', async () => {
    const { clock, tokens } = setUp();
    const { token, record } = await tokens.create({ label: 'ci', role: 'viewer', ttlMs: 1_000 });
    assert.match(token, /^cp_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/);
    assert.ok(token.startsWith(`cp_${record.id}_`));
    assert.equal((await tokens.verify(token))?.role, 'viewer');
    assert.equal(await tokens.active(record.id), true);
    await clock.advance(1_000);
    assert.equal(await tokens.verify(token), undefined);
    assert.equal(await tokens.active(record.id), false);
    const lasting = await tokens.create({ label: 'x', role: 'admin' });
    await tokens.revoke(lasting.record.id, 'cli');
    assert.equal(await tokens.verify(lasting.token), undefined);
    assert.equal(await tokens.active(lasting.record.id), false);
    await assert.rejects(tokens.revoke(lasting.record.id, 'cli'), (error: unknown) =>
      hasCode(error, 'store.not-found'),
    );
  });

  test('never (§5.9): the store holds a SHA-256 and nothing of the token', async () => {
    const { store, tokens } = setUp();
    const { token } = await tokens.create({ label: 'ci', role: 'admin' });
    const everything = JSON.stringify([await store.list('token'), await store.history({ limit: 10 })]);
    assert.ok(!everything.includes(token.slice('cp_000000000000_'.length)));
    assert.match(everything, /"hash":"[0-9a-f]{64}"/);
  });

  test('another secret behind a known id, and anything malformed, is nobody', async () => {
    const { tokens } = setUp();
    const [one, other] = [
      await tokens.create({ label: 'a', role: 'admin' }),
      await tokens.create({ label: 'b', role: 'viewer' }),
    ];
    const mixed = one.token.slice(0, 16) + other.token.slice(16);
    for (const text of [
      mixed,
      '',
      'cp_',
      `${one.token} `,
      `${one.token}x`,
      one.token.toUpperCase(),
      'x'.repeat(10_000),
    ]) {
      assert.equal(await tokens.verify(text), undefined, text.slice(0, 30));
    }
  });

  test('note their last use at most once a minute, and work while the disk is full', async () => {
    const { clock, store, tokens } = setUp();
    const { token, record } = await tokens.create({ label: 'a', role: 'admin' });
    const before = store.puts.get('token') ?? 0;
    for (let i = 0; i < 6; i += 1) {
      await tokens.verify(token);
      await clock.advance(10_000);
    }
    assert.equal((store.puts.get('token') ?? 0) - before, 1);
    await tokens.verify(token);
    assert.equal((await store.get('token', record.id)).value.lastUsedAt, clock.now());
    store.beforeWrite = () => {
      throw new CertplaneError('store.unavailable', 'The disk is full.');
    };
    await clock.advance(60_000);
    assert.equal((await tokens.verify(token))?.id, record.id);
    store.beforeWrite = () => {
      throw new CertplaneError('store.conflict', 'Somebody was first.');
    };
    assert.equal((await tokens.verify(token))?.id, record.id);
  });

  test('are listed newest first, whatever their number, and making and revoking them is history', async () => {
    const { clock, store, tokens } = setUp();
    const ids: string[] = [];
    for (let i = 0; i < 5; i += 1) {
      ids.unshift((await tokens.create({ label: `t${i}`, role: 'viewer', actor: 'session' })).record.id);
      await clock.advance(1);
    }
    assert.deepEqual(
      (await tokens.list()).map((one) => one.id),
      ids,
    );
    await tokens.revoke(ids[0] ?? '', 'cli');
    const history = await store.history({ limit: 10, kinds: ['admin'] });
    assert.deepEqual(
      history.slice(0, 2).map(({ code, actor }) => [code, actor]),
      [
        ['token.revoked', 'cli'],
        ['token.created', 'session'],
      ],
    );
  });
});
