import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { apiRoutes } from '../../src/api/server.ts';
import type { Route } from '../../src/api/route.ts';
import { sessionIdleMs } from '../../src/access/sessions.ts';
import type { FetchResult } from '../support/http.ts';
import { viewOf } from '../support/scripted-view.ts';
import { startApi, type ApiFixture, type Caller } from './api-fixture.ts';

const now = Date.parse('2026-01-01T00:00:00Z');

const bodies: Readonly<Record<string, unknown>> = {
  'post /reload': {},
  'post /backup': { file: '/backups/one.db' },
  'post /session': { token: 'cp_000000000000_wrong' },
  'post /tokens': { label: 'one', role: 'viewer' },
};

/** The table alone; its handlers are never called. */
function routes(): readonly Route[] {
  return apiRoutes({} as never);
}

async function send(fixture: ApiFixture, route: Route, as: Caller): Promise<FetchResult> {
  const { record } = await fixture.tokens.create({ label: 'to be revoked', role: 'viewer' });
  const id = route.path.startsWith('/tokens') ? record.id : 'file%2Fshop';
  const body = bodies[`${route.method} ${route.path}`];
  return await fixture.call(route.path.replace('{id}', id), {
    // HEAD asks the same of an event stream without keeping it open.
    method: route.path === '/events' ? 'HEAD' : route.method.toUpperCase(),
    as,
    ...(body === undefined ? {} : { json: body }),
  });
}

const allowed: Readonly<Record<Route['access'], readonly string[]>> = {
  public: ['none', 'viewer', 'admin', 'socket'],
  viewer: ['viewer', 'admin', 'socket'],
  admin: ['admin', 'socket'],
  local: ['socket'],
};

suite('who may do what', () => {
  for (const route of routes()) {
    test(`${route.method.toUpperCase()} ${route.path} is for ${route.access}`, async () => {
      await using fixture = await startApi();
      fixture.view.set(viewOf('file/shop', now));
      for (const name of ['none', 'viewer', 'admin', 'socket'] as const) {
        const { status } = await send(fixture, route, fixture[name]);
        const refused = name === 'none' ? 401 : 403;
        if (!allowed[route.access].includes(name)) assert.equal(status, refused, name);
        // The one public route that can say 401 by itself is a login with a wrong token.
        else assert.equal(status, route.path === '/session' && route.method === 'post' ? 401 : route.status, name);
      }
    });
  }

  test('a viewer can only GET, but for logging in and out', () => {
    const writing = routes().filter((route) => route.method !== 'get');
    assert.ok(writing.length >= 6);
    for (const route of writing) {
      assert.ok(route.access === 'admin' || route.access === 'local' || route.path === '/session', route.path);
    }
  });

  test('never (§5.9): refused requests reach nothing behind the API', async () => {
    await using fixture = await startApi();
    fixture.view.set(viewOf('file/shop', now));
    for (const route of routes()) {
      if (route.access === 'public') continue;
      await send(fixture, route, fixture.none);
      if (route.access !== 'viewer') await send(fixture, route, fixture.viewer);
    }
    assert.deepEqual(fixture.view.calls, []);
  });
});

suite('tokens', () => {
  test('a wrong, malformed, revoked or expired token is 401, also beside a good cookie', async () => {
    await using fixture = await startApi();
    const good = await fixture.tokens.create({ label: 'good', role: 'admin' });
    const short = await fixture.tokens.create({ label: 'short', role: 'admin', ttlMs: 60_000 });
    const cookie = fixture.cookie(fixture.sessions.open({ role: 'admin', actor: 'session' }));
    const ask = async (authorization: string): Promise<number> =>
      (await fixture.call('/overview', { as: { headers: { authorization, cookie } } })).status;
    assert.equal(await ask(`Bearer ${good.token}`), 200);
    assert.equal(await ask(`bearer ${short.token}`), 200);
    await fixture.clock.advance(60_000);
    assert.equal(await ask(`Bearer ${short.token}`), 401);
    assert.equal(await ask(`Bearer ${good.token.slice(0, -1)}`), 401);
    assert.equal(await ask(`Basic ${good.token}`), 401);
    assert.equal(await ask('Bearer '), 401);
    assert.equal(await ask(`Bearer ${'x'.repeat(2000)}`), 401);
    await fixture.call(`/tokens/${good.record.id}`, { method: 'DELETE' });
    assert.equal(await ask(`Bearer ${good.token}`), 401);
  });

  test('are created once, listed without themselves, and revoked with the sessions they opened', async () => {
    await using fixture = await startApi();
    const created = await fixture.call('/tokens', {
      method: 'POST',
      json: { label: ' ci ', role: 'viewer', ttlMs: 86_400_000 },
    });
    assert.equal(created.status, 201);
    const { token, id, label, expiresAt } = JSON.parse(created.body) as Record<
      'token' | 'id' | 'label' | 'expiresAt',
      string
    >;
    assert.equal(label, 'ci');
    assert.equal(expiresAt, '2026-01-02T00:00:00.000Z');
    const list = await fixture.call('/tokens');
    assert.ok(list.body.includes(id));
    assert.ok(!list.body.includes(token) && !list.body.includes('hash'));

    const login = await fixture.call('/session', { method: 'POST', as: fixture.none, json: { token } });
    assert.deepEqual(JSON.parse(login.body), { role: 'viewer', actor: `token:${id}` });
    const cookie = (login.headers['set-cookie']?.[0] ?? '').split(';')[0] ?? '';
    const session = async (): Promise<number> =>
      (await fixture.call('/session', { as: { headers: { cookie } } })).status;
    assert.equal(await session(), 200);
    assert.equal((await fixture.call(`/tokens/${id}`, { method: 'DELETE' })).status, 204);
    assert.equal(await session(), 401);
    assert.equal((await fixture.call(`/tokens/${id}`, { method: 'DELETE' })).status, 404);
  });

  test('refuses labels, roles and lifetimes that make no sense, and fields it does not know', async () => {
    await using fixture = await startApi();
    for (const json of [
      {},
      { label: '', role: 'viewer' },
      { label: '  ', role: 'viewer' },
      { label: 'x'.repeat(101), role: 'viewer' },
      { label: 'x', role: 'root' },
      { label: 'x', role: 'viewer', ttlMs: -1 },
      { label: 'x', role: 'viewer', ttlMs: 1e300 },
      { label: 'x', role: 'viewer', scope: 'all' },
      [],
    ]) {
      assert.equal((await fixture.call('/tokens', { method: 'POST', json })).status, 400, JSON.stringify(json));
    }
  });
});

const from = (address: string): Caller => ({ headers: { host: 'admin.example.com', 'x-forwarded-for': address } });

suite('logging in', () => {
  test('a login link works once: it sets a strict cookie and goes to the front page', async () => {
    await using fixture = await startApi();
    const link = new URL(fixture.api.loginLink());
    assert.equal(link.origin, fixture.api.address);
    const path = link.pathname + link.search;
    const first = await fixture.visit(path, { as: fixture.none });
    assert.equal(first.status, 303);
    assert.equal(first.headers.location, '/');
    const [cookie] = first.headers['set-cookie'] ?? [];
    assert.match(cookie ?? '', /^certplane_session_\d+=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
    const session = await fixture.call('/session', { as: { headers: { cookie: cookie?.split(';')[0] ?? '' } } });
    assert.deepEqual(JSON.parse(session.body), { role: 'admin', actor: 'session' });
    const second = await fixture.visit(path, { as: fixture.none });
    assert.equal(second.status, 401);
    assert.equal(second.headers['set-cookie'], undefined);
    assert.match(second.body, /certplane token create/);
  });

  test('a login link is over after ten minutes, and a preview of it does not use it up', async () => {
    await using fixture = await startApi();
    const path = (link: string): string => link.slice(fixture.api.address.length);
    const old = path(fixture.api.loginLink());
    await fixture.clock.advance(600_000);
    assert.equal((await fixture.visit(old, { as: fixture.none })).status, 401);
    const fresh = path(fixture.api.loginLink());
    await fixture.visit(fresh, { as: fixture.none, method: 'HEAD' });
    await fixture.visit(fresh, { as: { headers: { 'sec-purpose': 'prefetch' } } });
    await fixture.visit(fresh, { as: { headers: { 'sec-fetch-dest': 'image', 'sec-fetch-site': 'cross-site' } } });
    await fixture.clock.advance(599_000);
    assert.equal((await fixture.visit(fresh, { as: fixture.none })).status, 303);
  });

  test('the cookie is Secure when the page is served over https by the terminator', async () => {
    await using fixture = await startApi({ allowedHosts: ['admin.example.com'] });
    const path = fixture.api.loginLink().slice(fixture.api.address.length);
    const headers = { host: 'admin.example.com:8443', 'x-forwarded-proto': 'https', 'x-forwarded-for': '192.0.2.1' };
    const { headers: answered } = await fixture.visit(path, { as: { headers } });
    const [cookie = ''] = answered['set-cookie'] ?? [];
    assert.match(cookie, /^__Host-certplane_session=[\w-]{43};.*; Secure$/);
    const session = await fixture.call('/session', {
      as: { headers: { ...headers, cookie: cookie.split(';')[0] ?? '' } },
    });
    assert.equal(session.status, 200);
  });

  test('a session ends twelve hours after its last use, and at once when logging out', async () => {
    await using fixture = await startApi();
    const secret = fixture.sessions.open({ role: 'viewer', actor: 'session' });
    const as: Caller = { headers: { cookie: `other=1; ${fixture.cookie(secret)}` } };
    const status = async (): Promise<number> => (await fixture.call('/session', { as })).status;
    await fixture.clock.advance(sessionIdleMs - 1);
    assert.equal(await status(), 200);
    await fixture.clock.advance(sessionIdleMs - 1);
    assert.equal(await status(), 200, 'its end moved on');
    const out = await fixture.call('/session', { method: 'DELETE', as });
    assert.equal(out.status, 204);
    assert.match(out.headers['set-cookie']?.[0] ?? '', /Max-Age=0/);
    assert.equal(await status(), 401);
  });

  test('guessing is limited per address, by link and by token alike, and says when to try again', async () => {
    await using fixture = await startApi({ allowedHosts: ['admin.example.com'] });
    const { token } = await fixture.tokens.create({ label: 'x', role: 'viewer' });
    const login = async (value: string, address: string): Promise<FetchResult> =>
      await fixture.call('/session', { method: 'POST', as: from(address), json: { token: value } });
    for (let i = 0; i < 5; i += 1) {
      assert.equal((await login(`${token.slice(0, -3)}abc`, '192.0.2.1')).status, 401);
      assert.equal((await fixture.visit('/login?code=guess', { as: from('192.0.2.1') })).status, 401);
    }
    const refused = await login(token, '192.0.2.1');
    assert.equal(refused.status, 429);
    const problem = JSON.parse(refused.body) as { code: string; retryAt: string };
    assert.deepEqual([problem.code, problem.retryAt], ['api.too-many-attempts', '2026-01-01T00:10:00.000Z']);
    assert.equal(new Date(refused.headers['retry-after'] ?? '').toISOString(), '2026-01-01T00:10:00.000Z');
    const page = await fixture.visit('/login?code=guess', { as: from('192.0.2.1') });
    assert.equal(page.status, 429);
    assert.match(page.body, /<p>Logins from this address are tried again after 2026-01-01 00:10:00 UTC\.<\/p>/);
    assert.equal(page.headers['retry-after'], refused.headers['retry-after']);
    assert.equal((await login(token, '192.0.2.2')).status, 200, 'others are not held up');
    await fixture.clock.advance(600_000);
    assert.equal((await login(token, '192.0.2.1')).status, 200);
  });
});

suite('which page may ask', () => {
  test('what a page of somebody else loads is no attempt to log in, so it locks nobody out', async () => {
    await using fixture = await startApi();
    for (let i = 0; i < 12; i += 1) {
      const headers = { 'sec-fetch-dest': i % 2 === 0 ? 'image' : 'iframe', 'sec-fetch-site': 'cross-site' };
      await fixture.visit(`/login?code=guess${i}`, { as: { headers } });
    }
    const link = fixture.api.loginLink().slice(fixture.api.address.length);
    const headers = { 'sec-fetch-dest': 'document', 'sec-fetch-site': 'none' };
    assert.equal((await fixture.visit(link, { as: { headers } })).status, 303);
  });

  test('a Host that is not ours is refused for everything, so a rebound name reads nothing', async () => {
    await using fixture = await startApi({ allowedHosts: ['admin.example.com'] });
    const { port } = new URL(fixture.api.address);
    const ask = async (host: string, path = '/api/v1/overview'): Promise<FetchResult> =>
      await fixture.visit(path, { as: { headers: { ...fixture.admin.headers, host } } });
    for (const host of [
      `127.0.0.1:${port}`,
      `localhost:${port}`,
      `LOCALHOST:${port}`,
      `[::1]:${port}`,
      'admin.example.com:8443',
    ]) {
      assert.equal((await ask(host)).status, 200, host);
    }
    for (const host of ['evil.example', `evil.example:${port}`, 'localhost', 'localhost:1', `localhost.evil:${port}`]) {
      for (const path of ['/api/v1/overview', '/api/v1/openapi.json', '/login?code=x', '/']) {
        const { status, body } = await ask(host, path);
        assert.equal(status, 403, `${host} ${path}`);
        assert.equal((JSON.parse(body) as { code: string }).code, 'api.origin-refused');
      }
    }
    assert.equal((await fixture.call('/overview')).status, 200, 'the admin socket has no Host to forge');
  });

  test('an unsafe request from a page of another origin is refused, from our own or a program it is not', async () => {
    await using fixture = await startApi();
    const { port } = new URL(fixture.api.address);
    const cookie = fixture.cookie(fixture.sessions.open({ role: 'admin', actor: 'session' }));
    const reload = async (headers: Record<string, string>): Promise<number> =>
      (await fixture.call('/reload', { method: 'POST', as: { headers: { cookie, ...headers } }, json: {} })).status;
    assert.equal(await reload({}), 200);
    assert.equal(await reload({ origin: `http://127.0.0.1:${port}`, 'sec-fetch-site': 'same-origin' }), 200);
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'http://localhost:3000' },
      { origin: `http://localhost:${port}` },
      { origin: 'null' },
      { origin: `http://127.0.0.1:${port}.evil.example` },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: `http://127.0.0.1:${port}`, 'sec-fetch-site': 'same-site' },
    ]) {
      assert.equal(await reload(headers), 403, JSON.stringify(headers));
    }
    assert.equal(fixture.view.calls.length, 2);
  });
});
