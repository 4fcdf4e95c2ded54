import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { z } from 'zod';
import {
  doctorSchema,
  historyEntrySchema,
  issuerSchema,
  overviewSchema,
  reloadResultSchema,
  terminatorSchema,
} from '../../src/api/contract/overview.ts';
import { installationChecks } from '../../src/explain/installation-checks.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { ScriptedView, viewOf } from '../support/scripted-view.ts';
import { presentOverview } from '../../src/api/overview.ts';
import { startApi } from './api-fixture.ts';

const now = Date.parse('2026-01-01T00:00:00Z');
const day = 86_400_000;

suite('GET /overview', () => {
  test('counts every state, lists what needs a person first and draws the time to the last expiry', async () => {
    await using fixture = await startApi();
    fixture.view.set(
      viewOf('file/a', now, { current: { notAfter: now + 10 * day }, renewAt: now + 5 * day }),
      viewOf('file/b', now, { current: { notAfter: now + 240 * day }, renewAt: now + 160 * day }),
      viewOf('file/c', now, { current: null, status: { phase: 'failing', delivery: 'lagging' } }),
      viewOf('file/d', now, { current: { notAfter: now - day }, status: { phase: 'expired', managed: 'removed' } }),
      viewOf('file/e', now, { status: { delivery: 'failed', managed: 'paused' } }),
    );
    fixture.view.problemList = [
      { code: 'config.invalid', message: 'Two problems.', subject: 'certplane.yaml', since: now },
    ];
    const { status, body } = await fixture.call('/overview');
    assert.equal(status, 200);
    const overview = overviewSchema.strict().parse(JSON.parse(body));
    assert.equal(overview.total, 5);
    assert.deepEqual(overview.phases, { pending: 0, issuing: 0, ready: 3, renewing: 0, failing: 1, expired: 1 });
    assert.deepEqual(overview.delivery, { none: 3, delivered: 0, lagging: 1, failed: 1 });
    assert.deepEqual(overview.managed, { managed: 3, paused: 1, removed: 1, observed: 0 });
    assert.deepEqual(
      overview.attention.map((one) => [one.id, one.urgency]),
      [
        ['file/e', 'critical'],
        ['file/c', 'attention'],
      ],
    );
    assert.equal(overview.attentionTotal, 2);
    assert.equal(overview.problems[0]?.subject, 'certplane.yaml');
    assert.equal(overview.timeline.length, 24);
    assert.equal(overview.timeline[0]?.start, new Date(now).toISOString());
    assert.equal(overview.timeline.at(-1)?.end, new Date(now + 240 * day).toISOString());
    assert.deepEqual([overview.timeline[1]?.expiring, overview.timeline[0]?.renewing], [1, 1]);
    assert.equal(sum(overview.timeline.map((span) => span.expiring)), 3);
  });

  test('names at most twenty that need a person and still counts them all', () => {
    const view = new ScriptedView();
    view.set(...Array.from({ length: 25 }, (_, i) => viewOf(`file/${i}`, now, { status: { phase: 'failing' } })));
    const overview = presentOverview(view, now);
    assert.deepEqual([overview.attention.length, overview.attentionTotal], [20, 25]);
  });

  test('an installation without certificates has an empty overview, not an error', async () => {
    await using fixture = await startApi();
    const overview = overviewSchema.parse(JSON.parse((await fixture.call('/overview')).body));
    assert.deepEqual([overview.total, overview.timeline, overview.attention], [0, [], []]);
  });
});

suite('the other lists', () => {
  test('issuers come with their problem, root and number of certificates', async () => {
    await using fixture = await startApi();
    fixture.view.set(viewOf('file/a', now), viewOf('file/b', now, { current: null }));
    fixture.view.issuerList = [
      {
        name: 'letsencrypt',
        kind: 'acme',
        directory: 'https://acme.test/dir',
        problem: { code: 'issuer.unreachable', message: 'No answer.', until: now + 60_000 },
      },
      { name: 'local', kind: 'ca', rootPem: 'PEM' },
    ];
    const answer = await fixture.call('/issuers');
    const { items } = z.strictObject({ items: z.array(issuerSchema.strict()) }).parse(JSON.parse(answer.body));
    assert.deepEqual([items[0]?.certificates, items[1]?.certificates], [2, 0]);
    assert.equal(items[0]?.problem?.until, '2026-01-01T00:01:00.000Z');
    assert.equal(items[1]?.rootPem, 'PEM');
  });

  test('terminators say whether they are up to date', async () => {
    await using fixture = await startApi();
    const base = { since: now, current: 'e.5', listening: ['https://127.0.0.1:8443'], served: 3 };
    fixture.view.terminatorList = [
      {
        ...base,
        id: 't1',
        connected: true,
        acknowledged: 'e.5',
        workers: [{ pid: 7, startedAt: now, connections: 1 }],
        problems: [],
        backends: [{ backend: 'app', endpoint: '10.0.0.2:80', state: 'ejected', open: 1, requests: 2 }],
      },
      {
        ...base,
        id: 't2',
        connected: false,
        workers: [],
        problems: [{ code: 'terminator.worker-failed', message: 'It died.', since: now }],
      },
    ];
    fixture.view.problemList = [
      { code: 'backend.unverified', message: 'Anybody could be it.', subject: 'app', since: now },
      { code: 'config.invalid', message: 'A broken file.', since: now },
    ];
    const answer = await fixture.call('/terminators');
    const { items } = z.strictObject({ items: z.array(terminatorSchema.strict()) }).parse(JSON.parse(answer.body));
    assert.deepEqual(
      items.map((one) => [one.upToDate, one.acknowledged, one.problems.length]),
      [
        [true, 'e.5', 1],
        [false, null, 2],
      ],
      'what is wrong with their settings stands with every one of them',
    );
    assert.deepEqual(
      items.map(({ backends }) => backends),
      [[{ backend: 'app', endpoint: '10.0.0.2:80', state: 'ejected', open: 1, requests: 2 }], null],
    );
  });

  test('doctor says when workers have the rights of root', async () => {
    const view = new ScriptedView();
    const base = {
      id: 't1',
      since: now,
      connected: true,
      current: 'e.5',
      acknowledged: 'e.5',
      listening: [],
      served: 3,
    };
    const worker = { pid: 7, startedAt: now, connections: 1 };
    const look = async (asRoot: boolean | undefined): Promise<unknown> => {
      view.terminatorList = [{ ...base, workers: [{ ...worker, asRoot }], problems: [] }];
      const found = installationChecks({ view, clock: new ManualClock(now) }).find(({ link }) => link === 'terminator');
      const { verdict, message } = (await found?.run(undefined, new AbortController().signal)) ?? {};
      return [verdict, message];
    };
    const fine = '1 terminator connected and up to date.';
    assert.deepEqual(await look(undefined), ['ok', fine]);
    assert.deepEqual(await look(true), [
      'ok',
      `${fine} Workers run as root: write terminator.user, and they give its rights up.`,
    ]);
  });

  test('history comes newest first, by certificate and kind, and goes on from an id', async () => {
    await using fixture = await startApi();
    fixture.view.historyList = Array.from({ length: 9 }, (_, i) => ({
      id: i + 1,
      at: now + i,
      kind: i % 2 === 0 ? ('issued' as const) : ('failed' as const),
      ...(i < 6 ? { certificateId: 'file/a' } : {}),
      code: 'x',
      message: 'm',
      actor: 'scheduler',
    }));
    const ids = async (query: string): Promise<number[]> => {
      const { body } = await fixture.call(`/history?${query}`);
      return z
        .strictObject({ items: z.array(historyEntrySchema.strict()) })
        .parse(JSON.parse(body))
        .items.map((one) => one.id);
    };
    assert.deepEqual(await ids('limit=3'), [9, 8, 7]);
    assert.deepEqual(await ids('limit=3&before=7'), [6, 5, 4]);
    assert.deepEqual(await ids('certificate=file%2Fa&kind=failed'), [6, 4, 2]);
    assert.equal((await fixture.call('/history?kind=other')).status, 400);
    assert.equal((await fixture.call('/history?limit=501')).status, 400);
    assert.equal((await fixture.call('/history?before=0')).status, 400);
  });

  test('doctor runs the checks of the installation, and reload answers what it did', async () => {
    const view = new ScriptedView();
    view.problemList = [{ code: 'config.invalid', message: 'Line 3.', since: now }];
    await using fixture = await startApi({
      installationChecks: installationChecks({ view, clock: new ManualClock(now) }),
    });
    const { checks } = doctorSchema.strict().parse(JSON.parse((await fixture.call('/doctor')).body));
    assert.equal(checks[0]?.code, 'config.invalid');
    assert.match(checks[0]?.advice ?? '', /certplane check/);
    const reloaded = await fixture.call('/reload', { method: 'POST', json: { acceptRemoval: true } });
    assert.equal(reloadResultSchema.strict().parse(JSON.parse(reloaded.body)).changed, 2);
    assert.deepEqual(fixture.view.calls.at(-1), {
      method: 'reload',
      arguments: [{ acceptRemoval: true, acceptReissue: false, actor: 'cli' }],
    });
  });
});

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
