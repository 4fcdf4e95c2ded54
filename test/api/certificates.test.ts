import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { certificatePage } from '../../src/api/certificate-page.ts';
import {
  certificateDetailSchema,
  certificateListSchema,
  certificateSchema,
  certificateSorts,
  phases,
  type CertificateDetail,
  type CertificateList,
} from '../../src/api/contract/certificates.ts';
import type { Issuer } from '../../src/api/contract/overview.ts';
import type { CertificateSpec } from '../../src/core/certificate.ts';
import { CertplaneError } from '../../src/core/errors.ts';
import { TestCa } from '../support/test-ca.ts';
import { viewOf } from '../support/scripted-view.ts';
import { startApi } from './api-fixture.ts';

const day = 86_400_000;
const now = Date.parse('2026-01-01T00:00:00Z');

const anyView = fc
  .record({
    name: fc.string({ maxLength: 6 }),
    phase: fc.constantFrom(...phases),
    notAfterDays: fc.option(fc.integer({ min: -2, max: 4 })),
    renewDays: fc.option(fc.integer({ min: -2, max: 4 })),
  })
  .map(({ name, phase, notAfterDays, renewDays }) => ({ name, phase, notAfterDays, renewDays }));

suite('GET /certificates', () => {
  test('counts are those of search and issuer, whatever phase, attention and page are asked for', () => {
    const views = [
      viewOf('file/a1', now, { record: { spec: specOf('file/a1', 'one') }, status: { phase: 'failing' } }),
      viewOf('file/a2', now, { record: { spec: specOf('file/a2', 'one') } }),
      viewOf('file/a3', now, { record: { spec: specOf('file/a3', 'two') } }),
      viewOf('file/b1', now, { record: { spec: specOf('file/b1', 'one') }, status: { phase: 'failing' } }),
    ];
    const none = Object.fromEntries(phases.map((phase) => [phase, 0]));
    const counts = { total: 2, attention: 1, phases: { ...none, failing: 1, ready: 1 } };
    for (const more of [{}, { phase: 'failing' as const }, { attention: 'true' as const }, { limit: 1 }])
      assert.deepEqual(
        certificatePage(views, { limit: 10, sort: 'name', q: '/a', issuer: 'one', ...more }, now).counts,
        counts,
      );
  });

  test('pages give every certificate exactly once and in order, whatever the limit and the sort order', () => {
    fc.assert(
      fc.property(
        fc.array(anyView, { maxLength: 40 }),
        fc.integer({ min: 1, max: 12 }),
        fc.constantFrom(...certificateSorts),
        (specs, limit, sort) => {
          const views = specs.map(({ name, phase, notAfterDays, renewDays }, i) =>
            viewOf(`file/c${i}`, now, {
              name,
              status: { phase },
              current: notAfterDays === null ? null : { notAfter: now + notAfterDays * day },
              renewAt: renewDays === null ? undefined : now + renewDays * day,
            }),
          );
          const whole = certificatePage(views, { limit: 1000, sort }, now).items.map((one) => one.id);
          const seen: string[] = [];
          for (let cursor: string | undefined, time = now; ; time += day) {
            // Time goes on between the pages; the order must not.
            const page = certificatePage(views, { limit, sort, ...(cursor === undefined ? {} : { cursor }) }, time);
            assert.equal(page.total, views.length);
            assert.ok(page.items.length <= limit);
            seen.push(...page.items.map((one) => one.id));
            if (page.next === null) break;
            cursor = page.next;
          }
          assert.deepEqual(seen, whole);
          assert.equal(new Set(seen).size, views.length);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('a certificate that disappears between two pages costs no other one its place', async () => {
    await using fixture = await startApi();
    const ids = ['file/a', 'file/b', 'file/c', 'file/d'];
    fixture.view.set(...ids.map((id) => viewOf(id, now)));
    const first = JSON.parse((await fixture.call('/certificates?limit=2&sort=name')).body) as CertificateList;
    fixture.view.remove('file/b');
    fixture.view.set(viewOf('file/aa', now));
    const second = JSON.parse(
      (await fixture.call(`/certificates?limit=2&sort=name&cursor=${first.next}`)).body,
    ) as CertificateList;
    assert.deepEqual(
      [...first.items, ...second.items].map((one) => one.id),
      ids,
    );
    assert.equal(second.next, null);
  });

  test('sorts what needs a person first, and by end of life with nothing last in either direction', async () => {
    await using fixture = await startApi();
    fixture.view.set(
      viewOf('file/fine', now),
      viewOf('file/new', now, { current: null, status: { phase: 'pending' } }),
      viewOf('file/failing', now, { status: { phase: 'failing' } }),
      viewOf('file/expired', now, { status: { phase: 'expired' }, current: { notAfter: now - day } }),
    );
    const order = async (sort: string): Promise<string[]> =>
      (JSON.parse((await fixture.call(`/certificates?sort=${sort}`)).body) as CertificateList).items.map(
        (one) => one.name,
      );
    assert.deepEqual(await order('urgency'), ['expired', 'failing', 'fine', 'new']);
    assert.deepEqual(await order('notAfter'), ['expired', 'failing', 'fine', 'new']);
    assert.deepEqual(await order('-notAfter'), ['failing', 'fine', 'expired', 'new']);
    assert.deepEqual(await order('-name'), ['new', 'fine', 'failing', 'expired']);
  });

  test('finds by part of a name, id, host, issuer or serial, and by phase and need', async () => {
    await using fixture = await startApi();
    fixture.view.set(
      viewOf('file/shop', now, { names: ['www.shop.test'], current: { serial: 'FEED01', issuerName: 'local' } }),
      viewOf('route/api.test', now, { status: { phase: 'failing' }, current: { serial: 'BEEF02' } }),
    );
    const found = async (query: string): Promise<string[]> => {
      const answer = await fixture.call(`/certificates?${query}`);
      const list = certificateListSchema.parse(JSON.parse(answer.body));
      assert.equal(list.total, list.items.length);
      return list.items.map((one) => one.id);
    };
    for (const q of ['SHOP', 'file%2F', 'www.', 'local', 'feed01'])
      assert.deepEqual(await found(`q=${q}`), ['file/shop'], q);
    assert.deepEqual(await found('phase=failing'), ['route/api.test']);
    assert.deepEqual(await found('attention=true'), ['route/api.test']);
    assert.deepEqual(await found('q=nothing-like-it'), []);
  });

  test("an issuer's number of certificates is what the filter by that issuer finds, and nothing that only sounds like it", async () => {
    await using fixture = await startApi();
    fixture.view.set(
      viewOf('file/example', now, {
        current: { issuerName: 'local' },
        record: { spec: specOf('file/example', 'local') },
      }),
      viewOf('file/moving', now, { current: { issuerName: 'local' }, record: { spec: specOf('file/moving', 'le') } }),
      viewOf('file/new', now, { current: null, record: { spec: specOf('file/new', 'le', 'local') } }),
    );
    fixture.view.issuerList = [
      { name: 'le', kind: 'acme', directory: 'https://acme.test/dir' },
      { name: 'local', kind: 'ca' },
    ];
    const { items } = JSON.parse((await fixture.call('/issuers')).body) as { items: Issuer[] };
    for (const [name, expected] of [
      ['le', ['file/moving', 'file/new']],
      ['local', ['file/example', 'file/moving']],
    ] as const) {
      const list = JSON.parse((await fixture.call(`/certificates?issuer=${name}&sort=name`)).body) as CertificateList;
      assert.deepEqual(
        list.items.map((one) => one.id),
        expected,
      );
      assert.equal(items.find((one) => one.name === name)?.certificates, expected.length);
    }
  });

  test('refuses a cursor it did not give out, one of another order, and unknown or repeated parameters', async () => {
    await using fixture = await startApi();
    fixture.view.set(viewOf('file/a', now), viewOf('file/b', now));
    const { next } = JSON.parse((await fixture.call('/certificates?limit=1&sort=name')).body) as CertificateList;
    const foreign = Buffer.from('{"sort":"name","key":[{}],"id":"x","now":0}').toString('base64url');
    for (const query of [
      'cursor=nonsense',
      `cursor=${foreign}`,
      `cursor=${next}&sort=notAfter`,
      'limit=0',
      'limit=1001',
      'limit=ten',
      'phase=lost',
      'unknown=1',
      'q=a&q=b',
      `q=${'x'.repeat(300)}`,
    ]) {
      const answer = await fixture.call(`/certificates?${query}`);
      assert.equal(answer.status, 400, query);
      assert.equal((JSON.parse(answer.body) as { code: string }).code, 'api.invalid-request', query);
    }
  });
});

suite('GET /certificates/{id}', () => {
  test('shows chain, outputs, progress, last failure and checks of a certificate with a percent-encoded id', async () => {
    const ca = await TestCa.create();
    const leaf = await ca.issue({ dnsNames: ['shop.example.com'] });
    await using fixture = await startApi({
      certificateChecks: [
        {
          link: 'config',
          title: 'Wanted',
          run: async (subject) => ({
            link: 'config',
            title: 'Wanted',
            verdict: 'ok',
            code: 'wanted',
            message: subject.id,
          }),
        },
      ],
    });
    fixture.view.set(
      viewOf('k8s/shop/tls', now, {
        current: { chainPem: leaf.fullchainPem, number: 7 },
        record: {
          failures: 2,
          lastFailure: {
            code: 'acme.challenge-failed',
            message: 'No.',
            at: now,
            issuer: 'letsencrypt',
            problem: { type: 'urn:x', subproblems: [{ type: 'urn:y', identifier: { type: 'dns', value: 'a.b' } }] },
          },
        },
        deliveries: [
          {
            target: 'files:/x',
            state: 'delivered',
            reason: { code: 'ok', message: 'There.' },
            versionId: 'k8s/shop/tls#7',
            at: now,
          },
        ],
        order: {
          certificateId: 'k8s/shop/tls',
          issuerName: 'letsencrypt',
          request: { dnsNames: [], key: { algorithm: 'ecdsa', size: 256 } },
          digest: 'd',
          reason: { code: 'due', message: 'It is due.' },
          startedAt: now,
          step: 'finalize',
          data: {},
          waitUntil: now + 1000,
        },
      }),
    );
    const answer = await fixture.call('/certificates/k8s%2Fshop%2Ftls');
    assert.equal(answer.status, 200);
    const detail: CertificateDetail = certificateDetailSchema.strict().parse(JSON.parse(answer.body));
    assert.equal(detail.id, 'k8s/shop/tls');
    assert.equal(detail.chain.length, 2);
    assert.equal(detail.chain[0]?.serial.toLowerCase(), leaf.serial.toLowerCase());
    assert.equal(detail.chain[1]?.subject, 'CN=Test CA');
    assert.equal(detail.version, 7);
    assert.equal(detail.outputs[0]?.version, 7);
    assert.equal(detail.progress?.step, 'finalize');
    assert.equal(detail.lastFailure?.problem?.subproblems[0]?.identifier, 'a.b');
    assert.equal(detail.checks[0]?.message, 'k8s/shop/tls');
    assert.equal(detail.checks[0]?.advice, null);
  });

  test('an unknown id is 404 with our code, a bad percent-encoding and an endless id are 400', async () => {
    await using fixture = await startApi();
    const codeOf = async (path: string): Promise<[number, string]> => {
      const { status, body, headers } = await fixture.call(path);
      assert.match(headers['content-type'] ?? '', /^application\/problem\+json/);
      return [status, (JSON.parse(body) as { code: string }).code];
    };
    assert.deepEqual(await codeOf('/certificates/file%2Fnone'), [404, 'certificate.not-found']);
    assert.deepEqual(await codeOf('/certificates/%E0%A4%A'), [400, 'api.invalid-request']);
    assert.deepEqual(await codeOf(`/certificates/${'a'.repeat(600)}`), [400, 'api.invalid-request']);
    assert.deepEqual(await codeOf('/certificates/file/none'), [404, 'api.not-found']);
  });
});

suite('POST /certificates/{id}/renew', () => {
  test('answers 202 with the certificate once the request is durable, and says who asked', async () => {
    await using fixture = await startApi();
    fixture.view.set(viewOf('file/shop', now));
    const answer = await fixture.call('/certificates/file%2Fshop/renew', { method: 'POST', as: fixture.admin });
    assert.equal(answer.status, 202);
    assert.equal(certificateSchema.parse(JSON.parse(answer.body)).id, 'file/shop');
    await fixture.call('/certificates/file%2Fshop/renew', { method: 'POST' });
    const actors = fixture.view.calls.map((call) => call.arguments[1]);
    assert.match(String(actors[0]), /^token:[0-9a-f]{12}$/);
    assert.equal(actors[1], 'cli');
  });

  test('answers 409 while one runs and for a removed certificate, 404 for an unknown one, 400 for a body', async () => {
    await using fixture = await startApi();
    fixture.view.set(viewOf('file/shop', now));
    const post = async (path: string, json?: unknown): Promise<[number, string]> => {
      const { status, body } = await fixture.call(path, { method: 'POST', ...(json === undefined ? {} : { json }) });
      return [status, (JSON.parse(body) as { code: string }).code];
    };
    for (const code of ['renewal.in-progress', 'certificate.removed'] as const) {
      fixture.view.act = () => {
        throw new CertplaneError(code, 'Not now.');
      };
      assert.deepEqual(await post('/certificates/file%2Fshop/renew'), [409, code]);
    }
    fixture.view.act = () => undefined;
    assert.deepEqual(await post('/certificates/file%2Fx/renew'), [404, 'certificate.not-found']);
    assert.deepEqual(await post('/certificates/file%2Fshop/renew', { force: true }), [400, 'api.invalid-request']);
  });
});

function specOf(id: string, ...issuers: string[]): CertificateSpec {
  return { id, name: id, dnsNames: ['x.test'], issuers, key: { algorithm: 'ecdsa', size: 256 }, outputs: [] };
}
