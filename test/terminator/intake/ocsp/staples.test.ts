import assert from 'node:assert/strict';
import test from 'node:test';
import { Staples } from '../../../../src/terminator/intake/ocsp/staples.ts';
import { Problems } from '../../../../src/terminator/intake/problems.ts';
import type { SlotMaterial, WorkerChange } from '../../../../src/terminator/ipc/messages.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { missingTools } from '../../../support/tools.ts';
import { until } from '../../../support/until.ts';
import { OcspCa, startResponder, type Responder } from './ocsp-ca.ts';

const skip = await missingTools('openssl');
const hourMs = 3_600_000;
type Staple = Extract<WorkerChange, { kind: 'staple' }>;

interface Stapling extends AsyncDisposable {
  readonly staples: Staples;
  readonly clock: ManualClock;
  readonly problems: Problems;
  readonly told: Staple[];
  /** What the slot has; rank 0 is our own. */
  current: { versionId: string; certificateId: string; rank: number } | undefined;
}

function stapling(): Stapling {
  const clock = new ManualClock(Date.now());
  const problems = new Problems(clock, () => undefined);
  const told: Staple[] = [];
  const stop = new AbortController();
  const staples = new Staples({
    clock,
    problems,
    current: () => result.current,
    apply: (change) => told.push(change as Staple),
  });
  staples.want(true);
  const running = staples.run(stop.signal);
  const result: Stapling = {
    staples,
    clock,
    problems,
    told,
    current: { versionId: 'v1', certificateId: 'file/a', rank: 0 },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
  return result;
}

interface Site extends AsyncDisposable {
  readonly responder: Responder;
  readonly material: SlotMaterial;
  answer: 'V' | 'R' | 'broken' | 'huge' | 'status' | 'silent';
}

async function site(): Promise<Site> {
  const stack = new AsyncDisposableStack();
  const ca = stack.use(await OcspCa.create());
  let serial = '';
  const responder = stack.use(
    await startResponder(async (request, response) => {
      const { answer } = result;
      if (answer === 'V' || answer === 'R') response.end(await ca.answer(request, serial, { status: answer }));
      else if (answer === 'broken') response.end('nothing');
      else if (answer === 'huge') response.end(Buffer.alloc(100_000));
      else if (answer === 'status') response.writeHead(503).end();
      else response.destroy();
    }),
  );
  const { serial: number, ...bundle } = await ca.issue('a.test', responder.url);
  serial = number;
  const validity = { names: ['a.test'], notBefore: 0, notAfter: Number.MAX_SAFE_INTEGER };
  const result: Site = {
    responder,
    material: { slot: 'feed file/a', versionId: 'v1', ...validity, bundle },
    answer: 'V',
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  };
  return result;
}

test(
  'the first load starts the fetch, later ones come with the response, and half its life later it is fetched anew',
  { skip },
  async () => {
    await using place = await site();
    await using run = stapling();
    assert.equal(run.staples.attach(place.material).staple, undefined);
    await until(() => run.told.length === 1, { what: 'the first response' });
    const [first] = run.told;
    assert.deepEqual([first?.slot, first?.versionId], ['feed file/a', 'v1']);
    assert.equal(run.staples.attach(place.material).staple, first?.staple);
    await run.clock.advance(11 * hourMs);
    assert.equal(place.responder.requests.length, 1);
    await run.clock.advance(hourMs);
    await until(() => run.told.length === 2, { what: 'the second response' });
    assert.deepEqual(run.problems.list(), []);
  },
);

test(
  'a responder that fails is asked again with patience; the response is given until it runs out, and then no more',
  { skip },
  async () => {
    await using place = await site();
    await using run = stapling();
    run.staples.attach(place.material);
    await until(() => run.told.length === 1, { what: 'the first response' });
    for (const [answer, expected] of [
      ['broken', /no OCSP response/],
      ['huge', /larger than 65536/],
      ['status', /status 503/],
      ['silent', /gave no OCSP response/],
    ] as const) {
      place.answer = answer;
      const asked = place.responder.requests.length;
      await run.clock.advance(
        run.clock.pending.length === 0 ? 0 : Math.max(0, (run.clock.pending[0] ?? 0) - run.clock.now()),
      );
      await until(
        () => place.responder.requests.length > asked && expected.test(run.problems.list()[0]?.message ?? ''),
        {
          what: String(expected),
        },
      );
      assert.equal(run.problems.list()[0]?.subject, 'file/a');
      assert.ok(run.staples.attach(place.material).staple !== undefined, 'still good');
    }
    while (run.told.length === 1) {
      const asked = place.responder.requests.length;
      await until(() => run.clock.pending.length > 0, { what: 'the next attempt' });
      await run.clock.advance(Math.max(0, (run.clock.pending[0] ?? 0) - run.clock.now()));
      await until(() => place.responder.requests.length > asked, { what: 'an attempt' });
      await run.clock.advance(0);
      assert.ok(place.responder.requests.length < 40, 'with patience');
    }
    assert.equal(run.told[1]?.staple, undefined);
    assert.equal(run.staples.attach(place.material).staple, undefined);
    place.answer = 'V';
    await run.clock.advance(hourMs);
    await until(
      () => run.problems.list().length > 0 && /out of date|future/.test(run.problems.list()[0]?.message ?? ''),
      {
        what: 'the answer of the real time being refused at the modelled one',
      },
    );
  },
);

test('what is revoked is told as a problem and not stapled', { skip }, async () => {
  await using place = await site();
  await using run = stapling();
  place.answer = 'R';
  run.staples.attach(place.material);
  await until(() => run.problems.list().length === 1, { what: 'the problem' });
  assert.match(run.problems.list()[0]?.message ?? '', /has been revoked/);
  assert.equal(run.problems.list()[0]?.code, 'terminator.staple-missing');
  assert.deepEqual(run.told, []);
});

test('never (§5.14): a certificate that is not our own does not make us talk to this machine', { skip }, async () => {
  await using place = await site();
  await using run = stapling();
  run.current = { versionId: 'v1', certificateId: 'seen/a', rank: 1 };
  run.staples.attach(place.material);
  await until(() => run.problems.list().length === 1, { what: 'the problem' });
  assert.match(run.problems.list()[0]?.message ?? '', /only our own certificates may/);
  assert.equal(place.responder.requests.length, 0);
});

test(
  'nobody is asked where no policy staples, for a certificate without responder, or for a version that is gone',
  { skip },
  async () => {
    await using place = await site();
    await using run = stapling();
    run.staples.want(false);
    run.staples.attach(place.material);
    await run.clock.advance(hourMs);
    run.staples.want(true);
    const [leaf = ''] = place.material.bundle.chainPem.split(/(?<=-----END CERTIFICATE-----)/);
    run.staples.attach({ ...place.material, bundle: { ...place.material.bundle, chainPem: leaf } });
    assert.match(run.problems.list()[0]?.message ?? '', /does not contain the certificate that issued it/);
    run.current = { versionId: 'v2', certificateId: 'file/a', rank: 0 };
    run.staples.attach({ ...place.material, versionId: 'v1.1' });
    await run.clock.advance(hourMs);
    assert.deepEqual([place.responder.requests.length, run.told, run.problems.list()], [0, [], []]);
  },
);
