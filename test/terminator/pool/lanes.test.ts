import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { BoundAddress } from '../../../src/terminator/pool/bound-address.ts';
import type { BoundSocket } from '../../../src/terminator/pool/bound-socket.ts';
import { Lanes, type LaneWorker } from '../../../src/terminator/pool/lanes.ts';

/** A worker that answers when it is told to. */
class FakeWorker implements LaneWorker {
  readonly index: number;
  /** What it accepts from, or will as soon as it gets to it. */
  readonly sockets = new Map<number, BoundSocket>();
  readonly #answers: (() => void)[] = [];
  alive = true;
  failure: string | undefined;

  constructor(index: number) {
    this.index = index;
  }

  listen(id: number, socket: BoundSocket): Promise<string | undefined> {
    this.sockets.set(id, socket);
    return this.#later(() => {
      if (this.failure !== undefined) this.sockets.delete(id);
      return this.alive ? this.failure : 'ESRCH';
    });
  }

  unlisten(id: number): Promise<void> {
    this.sockets.delete(id);
    return this.#later(() => undefined);
  }

  answer(): void {
    for (const give of this.#answers.splice(0)) give();
  }

  #later<T>(answer: () => T): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<T>();
    this.#answers.push(() => resolve(answer()));
    return promise;
  }
}

interface Table extends Disposable {
  readonly lanes: Lanes;
  readonly workers: Set<FakeWorker>;
  readonly failed: string[];
  add(): Promise<{ id: number; address: BoundAddress; failure: string | undefined }>;
  start(index: number): FakeWorker;
  end(worker: FakeWorker): void;
  settle(): Promise<void>;
  /** Indexes of the workers on each socket of the address. */
  takers(address: BoundAddress): number[][];
}

function table(count: number): Table {
  const workers = new Set<FakeWorker>();
  const failed: string[] = [];
  const addresses: BoundAddress[] = [];
  const running = new Set<Promise<void>>();
  const lanes = new Lanes({
    keep: (work) => void running.add(work),
    onFailed: (worker, errno) => void failed.push(`${worker.index} ${errno}`),
  });
  lanes.setCount(count);
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 6; i += 1) {
      for (const worker of workers) worker.answer();
      await new Promise(setImmediate);
    }
  };
  const made: Table = {
    lanes,
    workers,
    failed,
    async add() {
      const address = BoundAddress.bind('https', { host: '127.0.0.1', port: 0 }, count);
      addresses.push(address);
      const adding = lanes.add(address);
      await settle();
      return { address, ...(await adding) };
    },
    start(index) {
      const worker = new FakeWorker(index);
      workers.add(worker);
      lanes.join(worker);
      return worker;
    },
    end(worker) {
      worker.alive = false;
      worker.answer();
      workers.delete(worker);
      lanes.leave(worker);
    },
    settle,
    takers: ({ sockets }) =>
      sockets.map((socket) =>
        [...workers]
          .filter((worker) => [...worker.sockets.values()].includes(socket))
          .map(({ index }) => index)
          .toSorted((a, b) => a - b),
      ),
    [Symbol.dispose]: () => {
      for (const address of addresses) address.close();
    },
  };
  return made;
}

test('each worker has a socket of its own in every address', async () => {
  using on = table(3);
  for (const index of [0, 1, 2]) on.start(index);
  const first = await on.add();
  const second = await on.add();
  assert.deepEqual(on.takers(first.address), [[0], [1], [2]]);
  assert.deepEqual(on.takers(second.address), [[0], [1], [2]]);
  await Promise.all([on.lanes.remove(first.id), on.settle()]);
  assert.deepEqual(on.takers(first.address), [[], [], []]);
  assert.deepEqual(on.takers(second.address), [[0], [1], [2]]);
});

test('what is meant for a worker that has ended is taken by the others until its replacement accepts', async () => {
  using on = table(2);
  const [zero] = [on.start(0), on.start(1)];
  const { address } = await on.add();
  on.end(zero);
  assert.deepEqual(on.takers(address), [[1], [1]]);
  await on.settle();
  const replacement = on.start(0);
  assert.deepEqual(on.takers(address), [[0, 1], [1]], 'both, until it says that it accepts');
  await on.settle();
  assert.deepEqual(on.takers(address), [[0], [1]]);
  // A replacement that dies at once changes nothing for clients.
  on.end(replacement);
  on.end(on.start(0));
  await on.settle();
  assert.deepEqual(on.takers(address), [[1], [1]]);
});

test('a worker that is silent keeps its socket, and others take from it, too', async () => {
  using on = table(2);
  const [zero] = [on.start(0), on.start(1)];
  const { address } = await on.add();
  on.lanes.setHeard(zero, true);
  assert.deepEqual(on.takers(address), [[0], [1]]);
  on.lanes.setHeard(zero, false);
  on.lanes.setHeard(zero, false);
  assert.deepEqual(on.takers(address), [[0, 1], [1]]);
  on.lanes.setHeard(zero, true);
  await on.settle();
  assert.deepEqual(on.takers(address), [[0], [1]]);
});

test('with fewer workers, sockets that are left over are everybody’s; with more, sockets are added', async () => {
  using on = table(3);
  const workers = [0, 1, 2].map((index) => on.start(index));
  const { address } = await on.add();
  on.lanes.setCount(1);
  for (const worker of workers.slice(1)) {
    on.lanes.leave(worker);
    on.workers.delete(worker);
  }
  await on.settle();
  assert.deepEqual(on.takers(address), [[0], [0], [0]]);
  on.lanes.setCount(4);
  for (const index of [1, 2, 3]) on.start(index);
  await on.settle();
  assert.deepEqual(on.takers(address), [[0], [1], [2], [3]]);
});

test('an address with fewer sockets than workers is everybody’s', async () => {
  using on = table(1);
  on.start(0);
  const { address: own } = await on.add();
  const alone = BoundAddress.adopt(own.sockets.slice(0, 1));
  const adding = on.lanes.add(alone);
  await on.settle();
  await adding;
  on.lanes.setCount(2);
  on.start(1);
  await on.settle();
  assert.deepEqual(on.takers(alone), [[0, 1]]);
});

test('an address where a worker cannot listen is given back, one where it cannot later is its fault', async () => {
  using on = table(2);
  const [zero, one] = [on.start(0), on.start(1)];
  zero.failure = 'EADDRINUSE';
  const refused = await on.add();
  assert.equal(refused.failure, 'EADDRINUSE');
  await on.settle();
  assert.deepEqual(on.takers(refused.address), [[], []]);
  zero.failure = undefined;
  const { failure } = await on.add();
  assert.equal(failure, undefined);
  on.end(one);
  const replacement = on.start(1);
  replacement.failure = 'EINVAL';
  await on.settle();
  assert.deepEqual(on.failed, ['1 EINVAL']);
});

test('a worker gets its socket again when it asks for it, and no other one', async () => {
  using on = table(2);
  const [zero, one] = [on.start(0), on.start(1)];
  const { id, address } = await on.add();
  const [own] = zero.sockets.keys() as Iterable<number>;
  zero.sockets.clear();
  one.sockets.clear();
  on.lanes.reclaim(one, own as number);
  assert.deepEqual(on.takers(address), [[], []]);
  on.lanes.reclaim(zero, own as number);
  assert.deepEqual(on.takers(address), [[0], []]);
  await Promise.all([on.lanes.remove(id), on.settle()]);
  on.lanes.reclaim(zero, own as number);
  assert.deepEqual(on.takers(address), [[], []]);
});

test('after close nobody is asked for anything', async () => {
  using on = table(2);
  const zero = on.start(0);
  on.start(1);
  const { address } = await on.add();
  on.lanes.close();
  on.end(zero);
  assert.deepEqual(on.takers(address), [[], [1]]);
});

type Step = readonly [kind: 'crash' | 'start' | 'silent' | 'heard' | 'answer' | 'wait' | 'count', which: number];

test('property: whatever happens to workers, every socket is somebody’s, and in the end its own worker’s alone', async () => {
  const kinds = ['crash', 'start', 'silent', 'heard', 'answer', 'wait', 'count'] as const;
  const step: fc.Arbitrary<Step> = fc.tuple(fc.constantFrom(...kinds), fc.nat(3));
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      using on = table(2);
      let count = 2;
      for (let index = 0; index < count; index += 1) on.start(index);
      const { address } = await on.add();
      const live = (): FakeWorker[] => [...on.workers];
      const byIndex = (index: number): FakeWorker | undefined => live().find((worker) => worker.index === index);
      for (const [kind, which] of steps) {
        const worker = byIndex(which);
        if (kind === 'crash' && worker !== undefined && live().length > 1) on.end(worker);
        else if (kind === 'start' && worker === undefined && which < count) on.start(which);
        else if ((kind === 'silent' || kind === 'heard') && worker !== undefined)
          on.lanes.setHeard(worker, kind === 'heard');
        else if (kind === 'answer') worker?.answer();
        else if (kind === 'wait') await new Promise(setImmediate);
        else if (kind === 'count') {
          count = which + 1;
          on.lanes.setCount(count);
          for (const one of live()) {
            if (one.index < count) continue;
            if (live().length === 1) on.start(0);
            on.lanes.leave(one);
            on.workers.delete(one);
          }
        }
        // Those that were opened first; where a later one has never been listened on, nobody can wait.
        for (const takers of on.takers(address).slice(0, 2)) assert.ok(takers.length > 0);
      }
      for (let index = 0; index < count; index += 1) if (byIndex(index) === undefined) on.start(index);
      await on.settle();
      for (const worker of live()) on.lanes.setHeard(worker, true);
      await on.settle();
      const everybody = Array.from({ length: count }, (_, index) => index);
      assert.deepEqual(
        on.takers(address),
        address.sockets.map((_, i) => (i < count ? [i] : everybody)),
      );
      assert.deepEqual(on.failed, []);
    }),
    { numRuns: 300 },
  );
});
