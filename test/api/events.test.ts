import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { changeEventSchema } from '../../src/api/contract/overview.ts';
import { batchMs, heartbeatMs, manyCertificates, mostIds, slowBatchMs } from '../../src/api/event-hub.ts';
import { settle } from '../support/manual-clock.ts';
import { viewOf } from '../support/scripted-view.ts';
import { until } from '../support/until.ts';
import { startApi } from './api-fixture.ts';

const now = Date.parse('2026-01-01T00:00:00Z');

suite('GET /events', () => {
  test('starts with a snapshot event and then tells what changed, with counts', async () => {
    await using fixture = await startApi();
    fixture.view.set(viewOf('file/a', now), viewOf('file/b', now, { status: { phase: 'failing' } }));
    using stream = await fixture.events({ as: fixture.viewer });
    const first = await stream.next();
    assert.equal(first.event, 'snapshot');
    assert.deepEqual(first.data.certificates, []);

    fixture.view.change(['file/a'], true);
    const second = await stream.next();
    assert.equal(second.event, 'change');
    const data = changeEventSchema.strict().parse(second.data);
    assert.deepEqual(data.certificates, ['file/a']);
    assert.equal(data.other, true);
    assert.equal(data.phases.failing, 1);
    assert.equal(data.attentionTotal, 1);
    assert.ok(sequenceOf(second.id) > sequenceOf(first.id));
  });

  test('gathers what happens within a quarter of a second into one event', async () => {
    await using fixture = await startApi();
    using stream = await fixture.events();
    await stream.next();
    fixture.view.change(['file/first']);
    assert.deepEqual((await stream.next()).data.certificates, ['file/first']);
    for (const id of ['file/a', 'file/b', 'file/a']) {
      fixture.view.change([id]);
      await fixture.clock.advance(batchMs / 4);
    }
    await fixture.clock.advance(batchMs);
    const batch = await stream.next();
    assert.deepEqual(batch.data.certificates.toSorted(), ['file/a', 'file/b']);
    assert.equal(batch.data.other, false);
    assert.equal(sequenceOf(batch.id), 2);
  });

  test('counts a large fleet at most once a second', async () => {
    await using fixture = await startApi();
    for (let i = 0; i <= manyCertificates; i += 1) fixture.view.set(viewOf(`file/${i}`, now));
    using stream = await fixture.events();
    await stream.next();
    for (let i = 0; i < 16; i += 1) {
      fixture.view.change([`file/${i}`]);
      await fixture.clock.advance(batchMs);
    }
    await fixture.clock.advance(slowBatchMs);
    let events = 0;
    for (let last = ''; last !== 'file/15'; events += 1) last = (await stream.next()).data.certificates.at(-1) ?? '';
    assert.ok(events <= 6, `${events} events in four seconds`);
  });

  test('more changes than can be named become a snapshot event', async () => {
    await using fixture = await startApi();
    using stream = await fixture.events();
    await stream.next();
    fixture.view.change(Array.from({ length: mostIds + 1 }, (_, i) => `file/${i}`));
    const event = await stream.next();
    assert.equal(event.event, 'snapshot');
    assert.deepEqual(event.data.certificates, []);
    assert.equal(event.data.other, true);
  });

  test('resumes by Last-Event-ID: what was missed comes as one change, and nothing when nothing was', async () => {
    await using fixture = await startApi();
    let lastEventId: string;
    {
      using stream = await fixture.events();
      await stream.next();
      fixture.view.change(['file/seen']);
      lastEventId = (await stream.next()).id;
    }
    for (const [id, other] of [
      ['file/a', false],
      ['file/b', true],
      ['file/a', false],
    ] as const) {
      fixture.view.change([id], other);
      await fixture.clock.advance(batchMs);
    }
    using resumed = await fixture.events({ lastEventId });
    const missed = await resumed.next();
    assert.equal(missed.event, 'change');
    assert.deepEqual(missed.data.certificates.toSorted(), ['file/a', 'file/b']);
    assert.equal(missed.data.other, true);
    assert.equal(sequenceOf(missed.id), sequenceOf(lastEventId) + 3);

    using current = await fixture.events({ lastEventId: missed.id });
    fixture.view.change(['file/later']);
    await fixture.clock.advance(batchMs);
    assert.deepEqual((await current.next()).data.certificates, ['file/later'], 'nothing before it');
  });

  test('a gap, an id of another process and nonsense get a snapshot event', async () => {
    await using fixture = await startApi();
    let lastEventId: string;
    {
      using stream = await fixture.events();
      lastEventId = (await stream.next()).id;
    }
    const [epoch] = lastEventId.split('.');
    for (let i = 0; i <= 500; i += 1) {
      fixture.view.change([`file/${i % 3}`]);
      await fixture.clock.advance(batchMs);
    }
    for (const id of [lastEventId, `${epoch}.0`, `${epoch}.999999`, 'AAAAAAAA.3', 'nonsense', '']) {
      using stream = await fixture.events({ lastEventId: id });
      assert.equal((await stream.next()).event, 'snapshot', id);
    }
    using stream = await fixture.events({ lastEventId: `${epoch}.1` });
    assert.equal((await stream.next()).event, 'change', 'the log still reaches back to this one');
  });

  test('an event every 15 s keeps the connection alive and lets a client notice when it is dead', async () => {
    await using fixture = await startApi();
    using stream = await fixture.events();
    assert.match((await stream.block()) ?? '', /^retry: \d+$/);
    assert.match((await stream.block()) ?? '', /^id: /);
    await fixture.clock.advance(heartbeatMs);
    assert.equal(await stream.block(), 'event: alive\ndata: {}');
  });

  test('what becomes urgent by time alone is told, once', async () => {
    await using fixture = await startApi();
    fixture.view.set(viewOf('file/a', now), viewOf('file/b', now));
    using stream = await fixture.events();
    assert.equal((await stream.next()).data.attentionTotal, 0);
    await fixture.clock.jumpTo(now + 365 * 86_400_000);
    const events = [];
    for (let beats = 0; beats < 4; beats += 1) {
      await fixture.clock.advance(heartbeatMs);
      await fixture.clock.advance(batchMs);
    }
    for (let alive = 0; alive < 4;) {
      const event = await stream.next();
      if (event.event === 'alive') alive += 1;
      else events.push(event);
    }
    assert.deepEqual(
      events.map(({ event, data }) => [event, data.certificates.toSorted(), data.attentionTotal]),
      [['change', ['file/a', 'file/b'], 2]],
    );
  });

  test('a stream ends once its token is revoked or its session is over', async () => {
    await using fixture = await startApi();
    const { token, record } = await fixture.tokens.create({ label: 'x', role: 'viewer' });
    const secret = fixture.sessions.open({ role: 'viewer', actor: 'session' });
    using byToken = await fixture.events({ as: { headers: { authorization: `Bearer ${token}` } } });
    using bySession = await fixture.events({ as: { headers: { cookie: fixture.cookie(secret) } } });
    await Promise.all([byToken.next(), bySession.next()]);
    await fixture.tokens.revoke(record.id, 'cli');
    fixture.sessions.close(secret);
    await fixture.clock.advance(heartbeatMs);
    await Promise.all([byToken.ended(), bySession.ended()]);
  });

  test('an open page alone does not keep a session alive', async () => {
    await using fixture = await startApi();
    const secret = fixture.sessions.open({ role: 'viewer', actor: 'session' });
    using stream = await fixture.events({ as: { headers: { cookie: fixture.cookie(secret) } } });
    await stream.next();
    await fixture.clock.jumpTo(now + 12 * 3_600_000);
    await fixture.clock.advance(heartbeatMs);
    await stream.ended();
  });

  test('never (§5.10): stop ends streams at once and leaves no listener, timer or request behind', async () => {
    await using fixture = await startApi();
    using stream = await fixture.events();
    await stream.next();
    let aborted = false;
    fixture.view.act = async (_, signal) => {
      await new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => {
          aborted = true;
          reject(signal.reason as Error);
        }),
      );
    };
    const hanging = fixture.call('/history').catch((error: unknown) => error);
    await until(() => fixture.clock.pending.length > 0, { what: 'the heartbeat timer' });
    await settle();
    await fixture.api[Symbol.asyncDispose]();
    await stream.ended();
    await hanging;
    assert.equal(aborted, true, 'the request under way saw the stop');
    assert.equal(fixture.view.listeners, 0);
    assert.deepEqual(fixture.clock.pending, []);
    await fixture.api[Symbol.asyncDispose]();
    await assert.rejects(fixture.call('/overview'));
    await assert.rejects(fixture.call('/overview', { as: fixture.admin }));
  });
});

function sequenceOf(id: string): number {
  return Number(id.slice(id.indexOf('.') + 1));
}
