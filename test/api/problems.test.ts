import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { suite, test } from 'node:test';
import { problemSchema } from '../../src/api/contract/overview.ts';
import { statusOf, toProblem } from '../../src/api/errors.ts';
import { CertplaneError, errorCodes, type ErrorCode } from '../../src/core/errors.ts';
import { createLog } from '../../src/observe/log.ts';
import { TestCa } from '../support/test-ca.ts';
import { viewOf } from '../support/scripted-view.ts';
import { apiRoutes } from '../../src/api/server.ts';
import { startApi } from './api-fixture.ts';

const now = Date.parse('2026-01-01T00:00:00Z');

suite('problem documents', () => {
  test('every error code has a status that says "error", and its problem document has the form of the contract', () => {
    assert.deepEqual(Object.keys(statusOf).toSorted(), Object.keys(errorCodes).toSorted());
    for (const code of Object.keys(errorCodes) as ErrorCode[]) {
      const problem = problemSchema.strict().parse(toProblem(new CertplaneError(code, 'Words.', { retryAt: now })));
      assert.ok(problem.status >= 400 && problem.status <= 599, code);
      assert.equal(problem.type, `https://certplane.dev/errors/${code}`);
      assert.equal(problem.retryAt, '2026-01-01T00:00:00.000Z');
      assert.notEqual(problem.title, 'Error', code);
    }
  });

  test('never (§5.9): an error nobody planned for is told without its words, and logged with them', async () => {
    const lines: string[] = [];
    await using fixture = await startApi({
      log: createLog({ level: 'info', destination: { write: (line: string) => lines.push(line) } }),
    });
    fixture.view.act = () => {
      throw new TypeError('the secret path /root/x');
    };
    const { status, body } = await fixture.call('/history');
    assert.equal(status, 500);
    assert.equal((JSON.parse(body) as { code: string }).code, 'internal.unexpected');
    assert.ok(!body.includes('secret path'));
    assert.ok(lines.some((line) => line.includes('secret path') && line.includes('/history')));
  });

  test('an error of the control plane keeps its code, words and retry time', async () => {
    await using fixture = await startApi();
    fixture.view.act = () => {
      throw new CertplaneError('config.removal-held', 'It removes 3 of 4 certificates.');
    };
    const { status, body } = await fixture.call('/reload', { method: 'POST', json: {} });
    assert.equal(status, 409);
    assert.equal((JSON.parse(body) as { detail: string }).detail, 'It removes 3 of 4 certificates.');
  });
});

suite('bad requests', () => {
  test('a body that is too large, no JSON, of another type or encoding, or with unknown fields changes nothing', async () => {
    await using fixture = await startApi();
    const json = { 'content-type': 'application/json' };
    const cases: [string, Record<string, string>, RegExp][] = [
      [JSON.stringify({ acceptRemoval: true, padding: 'x'.repeat(20_000) }), json, /too large/],
      ['{"acceptRemoval":', json, /not valid JSON/],
      ['"text"', json, /not valid JSON/],
      ['[]', json, /^The body is a JSON object\.$/],
      ['{"acceptRemoval":"yes"}', json, /^acceptRemoval has to be true or false\.$/],
      ['{"force":true}', json, /^The body takes no "force"; it takes acceptRemoval and acceptReissue\.$/],
      ['acceptRemoval=true', { 'content-type': 'application/x-www-form-urlencoded' }, /application\/json/],
      ['{"acceptRemoval":true}', { 'content-type': 'text/plain' }, /application\/json/],
      ['{}', { ...json, 'content-encoding': 'gzip' }, /encoding/],
    ];
    for (const [body, headers, words] of cases) {
      const answer = await fixture.call('/reload', { method: 'POST', as: fixture.admin, body, headers });
      const problem = problemSchema.strict().parse(JSON.parse(answer.body));
      assert.deepEqual([answer.status, problem.code], [400, 'api.invalid-request'], body.slice(0, 40));
      assert.match(problem.detail, words);
    }
    assert.deepEqual(fixture.view.calls, []);
    assert.equal((await fixture.call('/reload', { method: 'POST' })).status, 200, 'no body at all is fine');
  });

  test('what is wrong with a parameter is said with its name and what is allowed, in plain words', async () => {
    await using fixture = await startApi();
    const detail = async (path: string, json?: unknown): Promise<string> => {
      const { status, body } = await fixture.call(path, json === undefined ? {} : { method: 'POST', json });
      assert.equal(status, 400, path);
      return (JSON.parse(body) as { detail: string }).detail;
    };
    for (const wrong of ['abc', '0', '1001', '1.5', ''])
      assert.equal(await detail(`/certificates?limit=${wrong}`), 'limit has to be a whole number from 1 to 1000.');
    assert.equal(await detail('/history?before=-1'), 'before has to be a whole number from 1 on.');
    assert.equal(await detail('/certificates?attention=yes'), 'attention has to be "true".');
    assert.equal(
      await detail('/certificates?phase=rady&q=' + 'x'.repeat(254)),
      'q has to be text of at most 253 characters. ' +
        'phase has to be "pending", "issuing", "ready", "renewing", "failing" or "expired".',
    );
    assert.match(
      await detail('/certificates?page=2'),
      /^The query takes no "page"; it takes limit, cursor, .* and sort\.$/,
    );
    assert.equal(await detail('/certificates?q=1&q=2'), 'q has to be text of at most 253 characters.');
    for (const label of ['', '  ', 'x'.repeat(101), 7])
      assert.equal(await detail('/tokens', { label, role: 'admin' }), 'label has to be text of 1 to 100 characters.');
    assert.equal(
      await detail('/tokens', { label: 'x', ttlMs: 1 }),
      'role is missing: it has to be "admin" or "viewer". ttlMs has to be a whole number from 60000 to 315360000000.',
    );
  });

  test('a backup goes to an absolute path only, over the socket only', async () => {
    await using fixture = await startApi();
    const backup = async (file: unknown, as = fixture.socket): Promise<number> =>
      (await fixture.call('/backup', { method: 'POST', as, json: { file } })).status;
    assert.equal(await backup('/backups/x'), 204);
    assert.equal(await backup('relative/x'), 400);
    assert.equal(await backup('/x\0y'), 400);
    assert.equal(await backup(''), 400);
    assert.equal(await backup('/backups/x', fixture.admin), 403);
    assert.deepEqual(fixture.view.calls, [{ method: 'backup', arguments: ['/backups/x', 'cli'] }]);
  });

  test('unknown addresses and methods below /api/v1 are 404 problem documents, never the page', async () => {
    await using fixture = await startApi();
    for (const [method, path] of [
      ['GET', '/nothing'],
      ['PUT', '/reload'],
      ['POST', '/overview'],
      ['GET', '/Overview'],
      ['GET', '/overview/'],
      ['GET', ''],
    ] as const) {
      const answer = await fixture.call(path, { method, headers: { accept: 'text/html' } });
      assert.equal(answer.status, 404, `${method} ${path}`);
      assert.match(answer.headers['content-type'] ?? '', /problem\+json/);
    }
  });

  test('a client that sends no HTTP, or goes away in the middle, harms nobody else', async () => {
    await using fixture = await startApi();
    const { port } = new URL(fixture.api.address);
    const raw = connect({ port: Number(port), host: '127.0.0.1' });
    const answer = new Promise<string>((resolve, reject) => {
      let text = '';
      raw.on('data', (chunk) => (text += chunk.toString()));
      raw.once('close', () => resolve(text));
      raw.once('error', reject);
    });
    raw.write('\u0016\u0003\u0001 this is no HTTP\r\n\r\n');
    assert.match(await answer, /^HTTP\/1\.1 400 /);

    const gone = Promise.withResolvers<void>();
    fixture.view.act = async (_, signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      gone.resolve();
      throw signal.reason as Error;
    };
    const leaving = new AbortController();
    const asking = fixture.call('/history', { as: fixture.admin, signal: leaving.signal });
    const asked = assert.rejects(asking);
    setImmediate(() => leaving.abort());
    await asked;
    fixture.view.act = () => undefined;
    assert.equal((await fixture.call('/history')).status, 200);
  });
});

test('never (§5.9): no answer carries a private key, whatever the records hold', async () => {
  const ca = await TestCa.create();
  const leaf = await ca.issue({ dnsNames: ['shop.example.com'] });
  await using fixture = await startApi();
  const smuggled = { keyPem: leaf.keyPem, key: leaf.keyPem, secret: { keyPem: leaf.keyPem } };
  fixture.view.set(
    Object.assign(
      viewOf('file/shop', now, {
        current: { chainPem: leaf.fullchainPem + leaf.keyPem, ...smuggled },
        record: smuggled as never,
        order: {
          certificateId: 'file/shop',
          issuerName: 'x',
          request: { dnsNames: [], key: { algorithm: 'ecdsa', size: 256 } },
          digest: '',
          reason: { code: 'due', message: 'Due.', ...smuggled },
          startedAt: now,
          step: 'one',
          data: smuggled,
        },
        servedBy: [
          {
            ...smuggled,
            certificateId: 'file/shop',
            versionId: 'file/shop#1',
            names: [],
            serial: '1',
            source: 'feed',
            fingerprint256: 'a',
            notAfter: now,
            since: now,
            terminatorId: 't',
            connected: true,
          },
        ],
      }),
      smuggled,
    ),
  );
  fixture.view.issuerList = [{ name: 'x', kind: 'ca', ...smuggled } as never];
  fixture.view.problemList = [{ code: 'config.invalid', message: 'x', since: now, ...smuggled }];
  fixture.view.terminatorList = [
    {
      ...smuggled,
      id: 't',
      connected: true,
      since: now,
      current: 'e.1',
      listening: [],
      problems: [],
      served: 1,
      workers: [{ pid: 1, startedAt: now, connections: 0, ...smuggled }],
    },
  ];
  fixture.view.historyList = [
    { id: 1, at: now, kind: 'issued', code: 'issued', message: 'x', actor: 'scheduler', details: smuggled },
  ];
  const body = leaf.keyPem.split('\n')[1] ?? '';
  assert.ok(body.length > 40);
  let answers = 0;
  for (const route of apiRoutes({} as never)) {
    if (route.method !== 'get' || route.path === '/events') continue;
    const answer = await fixture.call(route.path.replace('{id}', 'file%2Fshop'));
    assert.equal(answer.status, 200, route.path);
    assert.ok(!answer.body.includes(body) && !/PRIVATE KEY|keyPem/.test(answer.body), route.path);
    answers += 1;
  }
  assert.ok(answers >= 9);
  const renewed = await fixture.call('/certificates/file%2Fshop/renew', { method: 'POST' });
  assert.ok(renewed.status === 202 && !renewed.body.includes(body));
});
