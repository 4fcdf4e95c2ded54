import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { CertplaneError } from '../../src/core/errors.ts';
import { systemClock } from '../../src/core/system-clock.ts';
import type { OutputSpec } from '../../src/core/certificate.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { createFilesOutput } from '../../src/deliver/files-output.ts';
import { ReloadCommands } from '../../src/deliver/reload-commands.ts';
import { tempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';
import { Fleet, fingerprint, outputSpec } from './fleet.ts';
import { issueVersion } from './issuing.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const failing = new CertplaneError('output.write-failed', 'It is down.');

function fleet(): Fleet {
  return new Fleet(new ManualClock());
}

test('every output of a certificate gets the current version, once', async () => {
  const world = fleet();
  const outputs = [outputSpec('a'), outputSpec('b')];
  world.registry.add('file/shop', outputs);
  const id = world.registry.issue('file/shop');
  await using _deliverer = await world.start();
  await settle();
  for (const output of outputs) {
    assert.deepEqual(world.place(output).deliveries, [id]);
    const state = { versionId: id, fingerprint256: fingerprint(id), deliveredAt: world.clock.now(), failures: 0 };
    assert.deepEqual(world.registry.state('file/shop', output), state);
  }
  await world.clock.advance(10 * 24 * 60 * minute);
  assert.equal(world.place(outputs[0] as OutputSpec).deliveries.length, 1);
  const second = world.registry.issue('file/shop');
  await settle();
  for (const output of outputs) assert.deepEqual(world.place(output).deliveries, [id, second]);
});

test('a certificate that appears, or gets its first version, after the start is delivered', async () => {
  const world = fleet();
  await using _deliverer = await world.start();
  const output = outputSpec('a');
  world.registry.add('file/new', [output]);
  await settle();
  assert.deepEqual(world.place(output).deliveries, []);
  const id = world.registry.issue('file/new');
  await settle();
  assert.deepEqual(world.place(output).deliveries, [id]);
});

test('never (§5.4): a restart looks at what outputs hold and delivers only what is missing', async () => {
  const world = fleet();
  const [whole, lost] = [outputSpec('whole'), outputSpec('lost')];
  world.registry.add('file/shop', [whole, lost]);
  const id = world.registry.issue('file/shop');
  {
    await using _first = await world.start();
    await settle();
  }
  world.place(lost).held = undefined;
  await using _second = await world.start();
  await settle();
  assert.deepEqual(world.place(whole).deliveries, [id]);
  assert.deepEqual(world.place(lost).deliveries, [id, id]);
  assert.equal(world.place(lost).held, fingerprint(id));
  const looks = world.place(whole).looks;
  assert.ok(looks >= 1);
  await world.clock.advance(24 * 60 * minute);
  assert.equal(world.place(whole).looks, looks, 'it is not looked at again without a reason');
});

test('a delivery that hangs in something no signal ends is named while a stop waits for it', async () => {
  const world = fleet();
  const [hanging, waiting] = [outputSpec('hanging'), outputSpec('waiting')];
  world.registry.add('file/shop', [hanging, waiting]);
  world.registry.issue('file/shop');
  world.place(waiting).behaviour = failing;
  const { promise: hung, resolve: release } = Promise.withResolvers<void>();
  world.place(hanging).deliver = async () => await hung;
  const deliverer = await world.start();
  await settle();
  assert.deepEqual(deliverer.underWay(), ['files:/hanging of file/shop']);
  const stopped = deliverer[Symbol.asyncDispose]();
  await settle();
  assert.deepEqual(deliverer.underWay(), ['files:/hanging of file/shop']);
  release();
  await stopped;
  assert.deepEqual(deliverer.underWay(), []);
});

test('a failed delivery is retried after 1, 10 and 100 minutes, then daily, and says why', async () => {
  const world = fleet();
  const [bad, good] = [outputSpec('bad'), outputSpec('good')];
  world.registry.add('file/shop', [bad, good]);
  world.place(bad).behaviour = failing;
  const id = world.registry.issue('file/shop');
  await using _deliverer = await world.start();
  const attempts = (): number => world.place(bad).deliveries.length;
  await settle();
  for (const [i, wait] of [1, 10, 100, 1440, 1440].entries()) {
    assert.equal(attempts(), i + 1);
    const state = world.registry.state('file/shop', bad);
    assert.equal(state?.failures, i + 1);
    assert.deepEqual(state.failure, { code: 'output.write-failed', message: 'It is down.', at: world.clock.now() });
    assert.equal(state.retryAt, world.clock.now() + wait * minute);
    assert.equal(state.versionId, undefined);
    await world.clock.advance(wait * minute - 1);
    assert.equal(attempts(), i + 1);
    await world.clock.advance(1);
  }
  world.place(bad).behaviour = 'works';
  await world.clock.advance(1440 * minute);
  assert.deepEqual(world.registry.state('file/shop', bad), {
    versionId: id,
    fingerprint256: fingerprint(id),
    deliveredAt: world.clock.now(),
    failures: 0,
  });
  assert.deepEqual(world.place(good).deliveries, [id], 'the other output was not touched by it');
});

test('never (§5.4): a restart forgets neither a failure count nor a retry time', async () => {
  const world = fleet();
  const output = outputSpec('a');
  world.registry.add('file/shop', [output]);
  world.place(output).behaviour = failing;
  world.registry.issue('file/shop');
  {
    await using _first = await world.start();
    await world.clock.advance(minute);
  }
  assert.equal(world.place(output).deliveries.length, 2);
  const before = world.registry.state('file/shop', output);
  await using _second = await world.start();
  await world.clock.advance(10 * minute - 1);
  assert.equal(world.place(output).deliveries.length, 2);
  assert.deepEqual(world.registry.state('file/shop', output), before);
  await world.clock.advance(1);
  assert.equal(world.place(output).deliveries.length, 3);
  assert.equal(world.registry.state('file/shop', output)?.failures, 3);
});

test('never (§5.6): outputs that hang delay no other output for more than two seconds', async () => {
  const world = fleet();
  const hanging = Array.from({ length: 40 }, (_, i) => outputSpec(`hangs-${i}`));
  for (const [i, output] of hanging.entries()) {
    world.place(output).behaviour = 'hangs';
    world.registry.add(`file/hangs-${i}`, [output]);
    world.registry.issue(`file/hangs-${i}`);
  }
  await using _deliverer = await world.start();
  await settle();
  await world.clock.advance(20_000);
  assert.ok(
    hanging.every((output) => world.place(output).busy),
    'all of them hang',
  );
  const healthy = outputSpec('healthy');
  world.registry.add('file/healthy', [healthy]);
  const id = world.registry.issue('file/healthy');
  await world.clock.advance(2_000);
  assert.deepEqual(world.place(healthy).deliveries, [id]);
});

test('no more than eight deliveries begin at once', async () => {
  const world = fleet();
  const outputs = Array.from({ length: 30 }, (_, i) => outputSpec(`o-${i}`));
  for (const [i, output] of outputs.entries()) {
    world.place(output).behaviour = 'hangs';
    world.registry.add(`file/o-${i}`, [output]);
    world.registry.issue(`file/o-${i}`);
  }
  await using _deliverer = await world.start();
  await settle();
  const busy = (): number => outputs.filter((output) => world.place(output).busy).length;
  assert.equal(busy(), 8);
  for (const output of outputs) world.place(output).release.resolve();
  await settle(100);
  assert.equal(busy(), 0);
  assert.ok(outputs.every((output) => world.place(output).held !== undefined));
});

test('the newest version wins: it waits for the delivery under way, and overtakes those in between', async () => {
  const world = fleet();
  const output = outputSpec('a');
  const place = world.place(output);
  place.behaviour = 'hangs';
  world.registry.add('file/shop', [output]);
  const first = world.registry.issue('file/shop');
  await using _deliverer = await world.start();
  await settle();
  world.registry.issue('file/shop');
  const third = world.registry.issue('file/shop');
  await settle();
  assert.deepEqual(place.deliveries, [first]);
  place.release.resolve();
  await settle();
  assert.deepEqual(place.deliveries, [first, third]);
  assert.equal(world.registry.state('file/shop', output)?.versionId, third);
});

test('a newer version does not wait for the retry of an older one', async () => {
  const world = fleet();
  const output = outputSpec('a');
  world.place(output).behaviour = failing;
  world.registry.add('file/shop', [output]);
  const first = world.registry.issue('file/shop');
  await using _deliverer = await world.start();
  await world.clock.advance(11 * minute);
  assert.deepEqual(world.place(output).deliveries, [first, first, first]);
  world.registry.change('file/shop', {});
  await settle();
  assert.equal(world.place(output).deliveries.length, 3, 'any other change waits');
  world.place(output).behaviour = 'works';
  const second = world.registry.issue('file/shop');
  await settle();
  assert.deepEqual(world.place(output).deliveries, [first, first, first, second]);
  assert.deepEqual(world.clock.pending, []);
});

test('after a failed reload the version counts as delivered, the failure is shown, and the command is run again', async () => {
  for (const code of ['output.reload-failed', 'output.reload-timeout'] as const) {
    const world = fleet();
    const output = outputSpec('a');
    world.place(output).behaviour = new CertplaneError(code, 'nginx ended with exit code 1.');
    world.registry.add('file/shop', [output]);
    const id = world.registry.issue('file/shop');
    await using _deliverer = await world.start();
    await settle();
    const deliveredAt = world.clock.now();
    const state = world.registry.state('file/shop', output);
    assert.deepEqual([state?.versionId, state?.deliveredAt, state?.failures], [id, deliveredAt, 1]);
    assert.equal(state?.failure?.code, code);
    await world.clock.advance(minute);
    assert.equal(world.registry.state('file/shop', output)?.deliveredAt, deliveredAt, 'the files are as old as before');
    world.place(output).behaviour = 'works';
    await world.clock.advance(10 * minute);
    assert.deepEqual(world.place(output).deliveries, [id, id, id]);
    assert.equal(world.registry.state('file/shop', output)?.failures, 0);
  }
});

test('a failure keeps saying which older version is still there', async () => {
  const world = fleet();
  const output = outputSpec('a');
  world.registry.add('file/shop', [output]);
  const first = world.registry.issue('file/shop');
  await using _deliverer = await world.start();
  await settle();
  const deliveredAt = world.clock.now();
  await world.clock.advance(minute);
  world.place(output).behaviour = failing;
  world.registry.issue('file/shop');
  await settle();
  const state = world.registry.state('file/shop', output);
  assert.deepEqual([state?.versionId, state?.deliveredAt, state?.failures], [first, deliveredAt, 1]);
});

test('a removed certificate is delivered no more, also while it waits for a retry; one that returns is', async () => {
  const world = fleet();
  const output = outputSpec('a');
  world.place(output).behaviour = failing;
  world.registry.add('file/shop', [output]);
  const id = world.registry.issue('file/shop');
  await using _deliverer = await world.start();
  await settle();
  world.registry.change('file/shop', { removedAt: world.clock.now() });
  await settle();
  assert.deepEqual(world.clock.pending, []);
  await world.clock.advance(100 * minute);
  assert.deepEqual(world.place(output).deliveries, [id]);
  world.place(output).behaviour = 'works';
  world.registry.change('file/shop', { removedAt: undefined });
  await settle();
  assert.deepEqual(world.place(output).deliveries, [id, id]);
});

test('an output that is taken out is left as it is, one that is added is written', async () => {
  const world = fleet();
  const [old, added] = [outputSpec('old'), outputSpec('added')];
  world.registry.add('file/shop', [old]);
  const first = world.registry.issue('file/shop');
  await using _deliverer = await world.start();
  await settle();
  world.registry.setOutputs('file/shop', [added]);
  await settle();
  const second = world.registry.issue('file/shop');
  await settle();
  assert.deepEqual([world.place(old).deliveries, world.place(added).deliveries], [[first], [first, second]]);
});

test('an output whose options changed is looked at again, and delivered where it is not as it should be', async () => {
  const world = fleet();
  const output = outputSpec('a');
  world.registry.add('file/shop', [output]);
  const id = world.registry.issue('file/shop');
  await using _deliverer = await world.start();
  await settle();
  world.registry.setOutputs('file/shop', [outputSpec('a', { reloadTimeoutMs: 5 })]);
  await settle();
  assert.deepEqual([world.place(output).looks, world.place(output).deliveries], [2, [id]], 'before writing, and again');
  world.place(output).intact = false; // as the files output says when owner or mode differ
  world.registry.setOutputs('file/shop', [outputSpec('a', { group: 'ssl' })]);
  await settle();
  assert.deepEqual(world.place(output).deliveries, [id, id]);
});

test('an output that cannot be looked at after a start counts as failed and is delivered again', async () => {
  const world = fleet();
  const output = outputSpec('a');
  world.registry.add('file/shop', [output]);
  const id = world.registry.issue('file/shop');
  {
    await using _first = await world.start();
    await settle();
  }
  world.lookFailure = new CertplaneError('kubernetes.unreachable', 'The API server cannot be reached.');
  await using _second = await world.start();
  await settle();
  const state = world.registry.state('file/shop', output);
  assert.deepEqual([state?.versionId, state?.failures, state?.failure?.code], [id, 1, 'kubernetes.unreachable']);
  await world.clock.advance(minute);
  assert.deepEqual(world.place(output).deliveries, [id], 'what cannot be looked at is not written over');
  world.lookFailure = undefined;
  await world.clock.advance(10 * minute);
  assert.deepEqual(world.place(output).deliveries, [id, id]);
  assert.equal(world.registry.state('file/shop', output)?.failures, 0);
});

test('an outcome that cannot be kept is kept later, without delivering again', async () => {
  const world = fleet();
  const output = outputSpec('a');
  world.registry.add('file/shop', [output]);
  const id = world.registry.issue('file/shop');
  world.registry.recordFailure = new CertplaneError('store.unavailable', 'The disk is full.');
  await using deliverer = await world.start();
  await world.clock.advance(5 * minute);
  assert.equal(world.registry.state('file/shop', output), undefined);
  assert.ok(world.logged.some((line) => line.level === 'error' && line['code'] === 'store.unavailable'));
  await world.clock.advance(8 * hour);
  world.registry.recordFailure = undefined;
  deliverer.lookAgain(); // as every minute: there is room again, and nobody waits for the ladder's next step
  await settle();
  assert.equal(world.registry.state('file/shop', output)?.versionId, id);
  assert.deepEqual(world.place(output).deliveries, [id]);
});

test('an error that nobody planned for is a failure like any other', async () => {
  const world = fleet();
  const output = outputSpec('a');
  world.registry.add('file/shop', [output]);
  const id = world.registry.issue('file/shop');
  let broken = true;
  world.registry.bundle = async () => {
    if (broken) throw new TypeError('undefined is not a function');
    return { chainPem: 'c', keyPem: 'k' };
  };
  await using _deliverer = await world.start();
  await settle();
  assert.equal(world.registry.state('file/shop', output)?.failure?.code, 'internal.unexpected');
  broken = false;
  await world.clock.advance(minute);
  assert.deepEqual(world.place(output).deliveries, [id]);
});

test('never (§5.10): stopping ends what hangs and what waits, and nothing runs afterwards', async () => {
  const world = fleet();
  const [hanging, waiting] = [outputSpec('hanging'), outputSpec('waiting')];
  world.place(hanging).behaviour = 'hangs';
  world.place(waiting).behaviour = failing;
  world.registry.add('file/shop', [hanging, waiting]);
  world.registry.issue('file/shop');
  const deliverer = await world.start();
  await settle();
  const recorded = world.registry.recorded.length;
  await Promise.all([deliverer[Symbol.asyncDispose](), deliverer[Symbol.asyncDispose]()]);
  assert.equal(world.place(hanging).busy, false);
  assert.deepEqual(world.clock.pending, []);
  world.registry.issue('file/shop');
  await world.clock.advance(1000 * minute);
  assert.equal(world.place(waiting).deliveries.length, 1);
  assert.equal(world.registry.recorded.length, recorded, 'being stopped is not a failure');
});

/** Version 1 is in the backup, version 2 was delivered after it; then the backup is restored. */
async function restored(lifetimes: [number, number] = [90 * day, 90 * day]) {
  const world = fleet();
  const output = outputSpec('a');
  world.registry.add('file/shop', [output]);
  const first = world.registry.issue('file/shop', lifetimes[0]);
  let backup: ReturnType<typeof world.registry.entry>;
  {
    await using _before = await world.start();
    await settle();
    backup = world.registry.entry('file/shop');
    await world.clock.advance(day);
    world.registry.issue('file/shop', lifetimes[1]);
    await settle();
  }
  const { held } = world.place(output);
  assert.ok(backup !== undefined && held !== undefined && held !== fingerprint(first));
  world.registry.restore(backup);
  return { world, output, newer: held };
}

describe('never (§5.1): an older version over a newer one', () => {
  test('after the restore of an older backup the newer certificate stays, and it is said why', async () => {
    const { world, output, newer } = await restored();
    await using _after = await world.start();
    await world.clock.advance(5 * day);
    assert.equal(world.place(output).held, newer);
    const state = world.registry.state('file/shop', output);
    assert.equal(state?.failure?.code, 'output.newer-present');
    assert.match(
      state.failure.message,
      /^A newer certificate is there \(it ends .* UTC, version 1 ends .* UTC\)\. It stays/,
    );
    assert.ok(state.failures > 0);
  });

  test('the next version takes over, also one that ends earlier', async () => {
    for (const lifetime of [90 * day, 10 * day]) {
      const { world, output } = await restored();
      await using _after = await world.start();
      await world.clock.advance(day);
      // The number of the version that the backup knew nothing of is given out again.
      world.registry.issue('file/shop', lifetime);
      await settle();
      const { current } = world.registry.entry('file/shop') ?? {};
      assert.equal(world.place(output).deliveries.at(-1), current?.id);
      const state = world.registry.state('file/shop', output);
      assert.deepEqual([state?.versionId, state?.failures], [current?.id, 0]);
    }
  });

  test('a newer one that has ended, or lacks a wanted name, gives way', async () => {
    const short = await restored([2 * day, 3 * day]);
    await short.world.clock.advance(4 * day);
    await using _one = await short.world.start();
    await settle();
    assert.equal(short.world.place(short.output).held, fingerprint('file/shop#1'));
    const other = await restored();
    const spec = other.world.registry.entry('file/shop')?.record.spec;
    assert.ok(spec !== undefined);
    other.world.registry.change('file/shop', { spec: { ...spec, dnsNames: ['other.example.com'] } });
    await using _two = await other.world.start();
    await settle();
    assert.equal(other.world.place(other.output).held, fingerprint('file/shop#1'));
  });

  test('a version that has ended does not replace a good one, whichever was issued first', async () => {
    const world = fleet();
    const output = outputSpec('a');
    const now = world.clock.now();
    const names = ['shop.example.com'];
    const dates = { notBefore: now - day, notAfter: now + 30 * day };
    world.place(output).held = 'somebody-elses';
    world.place(output).foreign = { fingerprint256: 'somebody-elses', names, ...dates, intact: true };
    world.registry.add('file/shop', [output]);
    world.registry.issue('file/shop', day);
    await world.clock.advance(2 * day);
    await using _deliverer = await world.start();
    await settle();
    assert.equal(world.place(output).held, 'somebody-elses');
  });

  test('what is handed over, and what a shorter lifetime replaces, is replaced as usual', async () => {
    const world = fleet();
    const output = outputSpec('a');
    const now = world.clock.now();
    const names = ['shop.example.com'];
    const dates = { notBefore: now - day, notAfter: now + 365 * day };
    world.place(output).held = 'somebody-elses';
    world.place(output).foreign = { fingerprint256: 'somebody-elses', names, ...dates, intact: true };
    world.registry.add('file/shop', [output]);
    await using _deliverer = await world.start();
    const first = world.registry.issue('file/shop', 90 * day);
    await settle();
    const second = world.registry.issue('file/shop', 10 * day);
    await settle();
    assert.deepEqual(world.place(output).deliveries, [first, second]);
  });
});

test('never (§5.11): a clock that is set back does not put a retry off, by a year or by some hours', async () => {
  for (const ahead of [365 * day, 5 * hour]) {
    const world = fleet();
    const output = outputSpec('a');
    world.place(output).behaviour = failing;
    world.registry.add('file/shop', [output]);
    world.registry.issue('file/shop');
    await using deliverer = await world.start();
    await settle();
    await world.clock.jumpTo(world.clock.now() - ahead);
    assert.equal(world.place(output).deliveries.length, 1);
    deliverer.lookAgain(); // as every minute
    await settle();
    assert.equal(world.place(output).deliveries.length, 2);
    assert.equal(world.registry.state('file/shop', output)?.retryAt, world.clock.now() + 10 * minute);
    deliverer.lookAgain();
    await settle();
    assert.equal(world.place(output).deliveries.length, 2, 'a look is no attempt');
  }
});

test('never (§5.11): also without a look, any change makes it try', async () => {
  const world = fleet();
  const output = outputSpec('a');
  world.place(output).behaviour = failing;
  world.registry.add('file/shop', [output]);
  world.registry.issue('file/shop');
  await using _deliverer = await world.start();
  await settle();
  await world.clock.jumpTo('2025-01-01T00:00:00Z');
  world.registry.change('file/shop', {}); // anything that makes it look again
  await settle();
  assert.equal(world.place(output).deliveries.length, 2);
  assert.equal(world.registry.state('file/shop', output)?.retryAt, world.clock.now() + 10 * minute);
});

test('never (§5.9): no key is logged or kept with the outcome', async () => {
  const world = fleet();
  await using temporary = await tempDir();
  const { bundle } = await issueVersion('file/shop', 1);
  const key = temporary.join('printed.pem');
  writeFileSync(key, bundle.keyPem);
  // The whole key, then its lines alone, as a command may print them that runs with "set -x" or dumps what it reads.
  const reloadCommand = ['/bin/sh', '-c', `cat ${key}; echo and; sed -e 1d -e '$d' ${key} >&2; exit 1`];
  const spec = outputSpec('hook', { directory: temporary.join('live'), reloadCommand, reloadTimeoutMs: 20_000 });
  world.real = createFilesOutput(spec, { reloads: new ReloadCommands({ clock: systemClock }) });
  world.registry.bundle = async () => bundle;
  world.registry.add('file/shop', [spec]);
  world.registry.issue('file/shop');
  await using _deliverer = await world.start();
  await until(() => world.registry.recorded.length > 0, { what: 'the outcome' });
  assert.match(world.registry.recorded[0]?.state.failure?.message ?? '', /exit code 1\. Its output:\n\[removed\]\nand/);
  assert.ok(world.logged.length > 0);
  const written = JSON.stringify([world.logged, world.registry.recorded]);
  for (const line of bundle.keyPem.split('\n').slice(1, -2)) assert.ok(!written.includes(line), line);
});

test('a thousand certificates that are due together reload their server once, after the last of them', async () => {
  const world = fleet();
  const reloadCommand = ['nginx', '-s', 'reload'];
  const outputs = Array.from({ length: 1000 }, (_, i) => outputSpec(`out-${i}`, { reloadCommand }));
  for (const [i, output] of outputs.entries()) {
    world.registry.add(`file/c${i}`, [output]);
    world.registry.issue(`file/c${i}`);
  }
  const inPlace = (): number => [...world.places.values()].filter(({ held }) => held !== undefined).length;
  const runs: number[] = [];
  let broken = true;
  world.reload = async ({ argv }) => {
    assert.deepEqual(argv, reloadCommand);
    runs.push(inPlace());
    await Promise.resolve();
    if (broken) throw new CertplaneError('output.reload-failed', 'The reload command nginx ended with exit code 1.');
  };
  const failures = (): Set<number | undefined> =>
    new Set(outputs.map((one, i) => world.registry.state(`file/c${i}`, one)?.failures));
  await using _deliverer = await world.start();
  await until(() => inPlace() === 1000, { what: 'the last switch' });
  assert.deepEqual(runs, []);
  await world.clock.advance(1_000);
  assert.deepEqual(runs, [1000]);
  assert.deepEqual(failures(), new Set([1]), 'each output says that its reload failed');
  broken = false;
  await world.clock.advance(minute + 1_000);
  assert.equal(runs.length, 2, 'tried again for all of them at once');
  assert.deepEqual(failures(), new Set([0]));
});

test('whatever happens on the way, healthy outputs end up with the newest version, one delivery at a time', async () => {
  const ids = ['file/a', 'file/b', 'file/c'];
  const event = fc.oneof(
    fc.record({ kind: fc.constantFrom('issue', 'fail', 'reload', 'hang', 'heal', 'lose', 'poke'), on: fc.nat(2) }),
    fc.record({ kind: fc.constant('advance'), on: fc.nat(200) }),
    fc.record({ kind: fc.constantFrom('restart', 'store-down', 'store-up'), on: fc.constant(0) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 30 }), async (events) => {
      const world = fleet();
      const outputs = ids.map((id) => outputSpec(id.replace('/', '-')));
      for (const [i, id] of ids.entries()) world.registry.add(id, [outputs[i] as OutputSpec]);
      let deliverer = await world.start();
      const heal = (output: OutputSpec): void => {
        world.place(output).behaviour = 'works';
        world.place(output).release.resolve();
        world.place(output).release = Promise.withResolvers();
      };
      try {
        for (const { kind, on } of events) {
          const output = outputs[on] as OutputSpec;
          const id = ids[on] as string;
          if (kind === 'issue') world.registry.issue(id);
          if (kind === 'poke') world.registry.change(id, {});
          if (kind === 'fail') world.place(output).behaviour = failing;
          if (kind === 'reload') world.place(output).behaviour = new CertplaneError('output.reload-failed', 'no');
          if (kind === 'hang') world.place(output).behaviour = 'hangs';
          if (kind === 'heal') heal(output);
          if (kind === 'lose') world.place(output).held = undefined;
          if (kind === 'advance') await world.clock.advance(on * minute);
          if (kind === 'store-down') world.registry.recordFailure = new CertplaneError('store.unavailable', 'full');
          if (kind === 'store-up') world.registry.recordFailure = undefined;
          if (kind === 'restart') {
            await deliverer[Symbol.asyncDispose]();
            deliverer = await world.start();
          }
          await settle(5);
        }
        world.registry.recordFailure = undefined;
        for (const output of outputs) heal(output);
        // Files that were lost meanwhile are seen at the next start; a retry is never further away than a day.
        await deliverer[Symbol.asyncDispose]();
        deliverer = await world.start();
        await world.clock.advance(24 * 60 * minute);
        for (const [i, id] of ids.entries()) {
          const { current } = world.registry.entry(id) ?? {};
          assert.equal(world.place(outputs[i] as OutputSpec).held, current?.fingerprint256);
          if (current === undefined) continue;
          const state = world.registry.state(id, outputs[i] as OutputSpec);
          assert.deepEqual([state?.versionId, state?.failures], [current.id, 0]);
        }
        assert.deepEqual(world.clock.pending, []);
      } finally {
        await deliverer[Symbol.asyncDispose]();
      }
    }),
    { numRuns: 100 },
  );
});
