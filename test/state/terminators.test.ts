import assert from 'node:assert/strict';
import test from 'node:test';
import { hasCode, type ErrorCode } from '../../src/core/errors.ts';
import type { Revision, ServedEntry, ServedReport } from '../../src/core/feed.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import { createFeed } from '../../src/state/feed.ts';
import { createFeedSolver } from '../../src/state/feed-solver.ts';
import { absenceGraceMs, applyTimeoutMs, createTerminators, type Terminators } from '../../src/state/terminators.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { MemoryStore } from '../support/memory-store.ts';

const signal = new AbortController().signal;
const at = (sequence: number): Revision => ({ epoch: 'e', sequence });

function make(): { clock: ManualClock; terminators: Terminators } {
  const clock = new ManualClock();
  return { clock, terminators: createTerminators({ feed: { revision: () => at(9) }, clock, log: silentLog }) };
}

function acknowledge(terminators: Terminators, id: string, sequence: number, refused?: string): void {
  const refusals =
    refused === undefined ? [] : [{ key: refused, code: 'certificate.unparsable' as const, message: 'No.' }];
  terminators.acknowledge({ terminatorId: id, revision: `e.${sequence}`, workers: 2, refusals });
}

function report(id: string, more: Partial<ServedReport> = {}): ServedReport {
  const empty = { complete: false, served: [], gone: [], problems: [], workers: [], listening: [] };
  return { terminatorId: id, ...empty, ...more };
}

function served(certificateId: string, version = 1, source = 'feed'): ServedEntry {
  const facts = { names: [], serial: `0${version}`, fingerprint256: `f${version}`, notAfter: 1, since: 0, source };
  return { certificateId, versionId: `${certificateId}#${version}`, ...facts };
}

function withCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => hasCode(error, code);
}

/** Whether a promise has settled, without waiting for it. */
async function pending(promise: Promise<unknown>): Promise<boolean> {
  const mark = Symbol('pending');
  await settle();
  return (await Promise.race([promise, Promise.resolve(mark)])) === mark;
}

test('a change is applied when every connected terminator has acknowledged it or a later one', async () => {
  const { terminators } = make();
  terminators.connected('one');
  terminators.connected('two');
  const applied = terminators.whenApplied(at(5), signal);
  acknowledge(terminators, 'one', 5);
  assert.equal(await pending(applied), true);
  acknowledge(terminators, 'two', 4);
  assert.equal(await pending(applied), true);
  acknowledge(terminators, 'two', 7);
  await applied;
  await terminators.whenApplied(at(5), signal);
});

test('a terminator that leaves is not waited for, one that comes is', async () => {
  const { terminators } = make();
  terminators.connected('one');
  terminators.connected('two');
  acknowledge(terminators, 'one', 5);
  const applied = terminators.whenApplied(at(5), signal);
  terminators.disconnected('two');
  await applied;
  terminators.connected('three');
  const again = terminators.whenApplied(at(5), signal);
  assert.equal(await pending(again), true);
  acknowledge(terminators, 'three', 5);
  await again;
});

test('an acknowledgement counts for the connection it was given on, unless the next one resumes from there', async () => {
  const { terminators } = make();
  terminators.connected('one');
  acknowledge(terminators, 'one', 5);
  terminators.disconnected('one');
  terminators.connected('one');
  assert.equal(await pending(terminators.whenApplied(at(5), AbortSignal.timeout(60_000))), true);
  terminators.disconnected('one');
  terminators.connected('one', { resumed: at(5) });
  await terminators.whenApplied(at(5), signal);
});

test('an old process that drains acknowledges for itself only, not for the new one under the same name', async () => {
  const { terminators } = make();
  const say = (session: string, revision: string): void =>
    terminators.acknowledge({ terminatorId: 'one', session, revision, workers: 1, refusals: [] });
  terminators.connected('one', { session: 'old' });
  say('old', 'e.4');
  terminators.connected('one', { session: 'new' });
  const applied = terminators.whenApplied(at(5), signal);
  say('old', 'e.5');
  assert.equal(await pending(applied), true);
  terminators.disconnected('one', 'old');
  say('old', 'e.9');
  assert.equal(await pending(applied), true);
  assert.equal(terminators.list()[0]?.acknowledged, undefined);
  say('new', 'e.5');
  await applied;
  terminators.disconnected('one', 'new');
  assert.equal(terminators.list()[0]?.connected, false);
});

test('an acknowledgement of another epoch does not count', async () => {
  const { clock, terminators } = make();
  terminators.connected('one');
  terminators.acknowledge({ terminatorId: 'one', revision: 'old.99', workers: 1, refusals: [] });
  const applied = assert.rejects(terminators.whenApplied(at(5), signal), withCode('challenge.present-failed'));
  await clock.advance(applyTimeoutMs);
  await applied;
});

test('without a terminator nothing is applied: said so after a grace in which one may come back', async () => {
  const { clock, terminators } = make();
  const never = assert.rejects(terminators.whenApplied(at(1), signal), withCode('challenge.terminator-absent'));
  await clock.advance(absenceGraceMs);
  await never;
  const late = terminators.whenApplied(at(1), signal);
  await clock.advance(absenceGraceMs - 1);
  terminators.connected('one');
  acknowledge(terminators, 'one', 1);
  await late;
  assert.deepEqual(clock.pending, []);
});

test('a wait ends with its signal and leaves nothing behind', async () => {
  const { clock, terminators } = make();
  terminators.connected('one');
  const stop = new AbortController();
  const waiting = terminators.whenApplied(at(1), stop.signal);
  stop.abort(new Error('stopped'));
  await assert.rejects(waiting, /stopped/);
  await settle();
  assert.deepEqual(clock.pending, []);
});

test('what is served is merged from reports, and replaced by a complete one', () => {
  const { terminators } = make();
  const changes: string[][] = [];
  using _ = terminators.onChange(({ certificateIds }) => void changes.push([...certificateIds]));
  terminators.connected('one');
  terminators.served(report('one', { complete: true, served: [served('a'), served('b')] }));
  terminators.served(report('one', { served: [served('a', 2)], gone: ['b'] }));
  assert.deepEqual(terminators.servedBy('b'), []);
  assert.equal(terminators.servedBy('a')[0]?.versionId, 'a#2');
  terminators.served(report('one', { complete: true, served: [served('seen/x', 1, 'files:/etc/certs')] }));
  assert.deepEqual(terminators.servedBy('a'), []);
  assert.deepEqual(
    terminators.observed().map(({ certificateId }) => certificateId),
    ['seen/x'],
  );
  assert.deepEqual(changes.at(-1)?.toSorted(), ['a', 'seen/x']);
  terminators.disconnected('one');
  assert.equal(terminators.observed()[0]?.connected, false);
  assert.equal(terminators.list()[0]?.connected, false);
});

test('the list says what each has acknowledged and what the feed is at', () => {
  const { terminators } = make();
  terminators.connected('one');
  acknowledge(terminators, 'one', 9);
  const [view] = terminators.list();
  assert.equal(view?.acknowledged, 'e.9');
  assert.equal(view?.current, 'e.9');
  for (let i = 0; i < 80; i += 1) {
    terminators.connected(`gone-${i}`);
    terminators.disconnected(`gone-${i}`);
  }
  assert.ok(terminators.list().length <= 51, 'those that have gone are remembered within bounds');
  assert.ok(terminators.list().some(({ id }) => id === 'one'));
});

test('a challenge is presented once every terminator answers it, and a refusal is an error with its reason', async () => {
  const clock = new ManualClock();
  const feed = createFeed({ store: new MemoryStore(), log: silentLog });
  await feed.load(signal);
  const terminators = createTerminators({ feed, clock, log: silentLog });
  const solver = createFeedSolver({ feed, terminators });
  const challenge = {
    type: 'http-01',
    identifier: 'a.example.com',
    token: 'token',
    keyAuthorization: 'token.thumbprint',
    certificateId: 'file/a',
  } as const;
  terminators.connected('one');
  const presented = solver.present(challenge, signal);
  assert.equal(await pending(presented), true);
  const { epoch, sequence } = feed.revision();
  assert.equal(feed.item('challenge/token')?.kind, 'challenge');
  terminators.acknowledge({ terminatorId: 'one', revision: `${epoch}.${sequence}`, workers: 1, refusals: [] });
  await presented;
  await solver.present(challenge, signal); // a resumed order presents again
  await solver.cleanUp(challenge, signal);
  await solver.cleanUp(challenge, signal);
  assert.equal(feed.item('challenge/token'), undefined);

  const refused = assert.rejects(solver.present(challenge, signal), withCode('challenge.present-failed'));
  await settle();
  const refusal = { key: 'challenge/token', code: 'internal.unexpected', message: 'No room.' } as const;
  const revision = `${epoch}.${feed.revision().sequence}`;
  terminators.acknowledge({ terminatorId: 'one', revision, workers: 1, refusals: [refusal] });
  await refused;
});
