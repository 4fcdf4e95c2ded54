import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import test from 'node:test';
import { Problems } from '../../../src/terminator/intake/problems.ts';
import { TicketKeys } from '../../../src/terminator/intake/ticket-keys.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { tempDir } from '../../support/tempdir.ts';
import { until } from '../../support/until.ts';

const hourMs = 3_600_000;

interface Running extends AsyncDisposable {
  readonly keys: TicketKeys;
  readonly clock: ManualClock;
  readonly problems: Problems;
  /** Lists as the workers get them. */
  readonly told: (readonly string[])[];
}

function running(): Running {
  const clock = new ManualClock();
  const problems = new Problems(clock, () => undefined);
  const told: (readonly string[])[] = [];
  const keys = new TicketKeys({ clock, problems, onChange: () => told.push(keys.list) });
  const stop = new AbortController();
  const run = keys.run(stop.signal);
  return {
    keys,
    clock,
    problems,
    told,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await run;
    },
  };
}

function newKey(): string {
  return randomBytes(48).toString('base64');
}

test('a key encrypts for 12 hours and is known for 24', async () => {
  await using ticket = running();
  const seen = new Map<string, { first: number; last: number; encrypted: number }>();
  for (let hour = 0; hour < 60; hour += 1) {
    for (const [i, key] of ticket.keys.list.entries()) {
      assert.equal(Buffer.from(key, 'base64').length, 48);
      const known = seen.get(key) ?? { first: hour, last: hour, encrypted: 0 };
      seen.set(key, { ...known, last: hour, encrypted: known.encrypted + Number(i === 0) });
    }
    await ticket.clock.advance(hourMs);
  }
  const whole = [...seen.values()].slice(0, -2);
  assert.ok(whole.length >= 3);
  for (const { first, last, encrypted } of whole) assert.deepEqual([encrypted, last - first], [12, 23]);
  assert.deepEqual(ticket.told.at(-1), ticket.keys.list);
  assert.equal(ticket.told.length, 5);
});

test('never (§5.11): a suspend lets no key live longer', async () => {
  await using ticket = running();
  const [first] = ticket.keys.list;
  await ticket.clock.jumpTo(ticket.clock.now() + 72 * hourMs);
  assert.equal(ticket.keys.list.length, 1);
  assert.notEqual(ticket.keys.list[0], first);
});

test('a fleet’s keys come from a file, and follow it; our own stay aside', async () => {
  await using dir = await tempDir();
  await using ticket = running();
  const own = ticket.keys.list;
  const path = dir.join('keys');
  const [one, two] = [newKey(), newKey()];
  await writeFile(path, `# keys of the fleet\n${one}\n`);
  assert.equal(await ticket.keys.useFile(path), true);
  assert.deepEqual(ticket.keys.list, [one]);
  await writeFile(path, `${two}\r\n\n${one}`);
  await ticket.clock.advance(6_000);
  await until(() => ticket.told.length === 1, { what: 'the new list' });
  assert.deepEqual(ticket.told, [[two, one]]);
  await ticket.clock.advance(13 * hourMs);
  assert.equal(ticket.told.length, 1, 'our own keys change without a word');
  assert.equal(await ticket.keys.useFile(undefined), true);
  assert.equal(ticket.keys.list.length, 2);
  assert.equal(ticket.keys.list[1], own[0]);
});

test('a file that cannot be used is a problem that shows no key, and what was known before stays', async () => {
  await using dir = await tempDir();
  await using ticket = running();
  const own = ticket.keys.list;
  const path = dir.join('keys');
  assert.equal(await ticket.keys.useFile(path), false);
  assert.deepEqual(ticket.keys.list, own, 'our own until it can be read');
  const good = newKey();
  const texts = [
    ['', /no key/],
    ['c2hvcnQ=', /Key number 1 is not 48 bytes/],
    [`${good}\n${good.slice(0, -1)}`, /Key number 2/],
    [`${good}\n${good}`, /twice/],
    [Array.from({ length: 17 }, newKey).join('\n'), /more than 16/],
  ] as const;
  for (const [text, expected] of texts) {
    await writeFile(path, text);
    await ticket.clock.advance(6_000);
    const problem = (): string => ticket.problems.list()[0]?.message ?? '';
    await until(() => expected.test(problem()), { what: String(expected) });
    assert.ok(!problem().includes(good.slice(0, 8)));
    assert.deepEqual(ticket.keys.list, own);
  }
  await writeFile(path, good);
  await ticket.clock.advance(6_000);
  await until(() => ticket.keys.list[0] === good, { what: 'the key of the file' });
  assert.deepEqual(ticket.problems.list(), []);
});
