import assert from 'node:assert/strict';
import { chmod, mkdir, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { suite, test } from 'node:test';
import { createLoginLinks } from '../../src/access/login-links.ts';
import { createSessions } from '../../src/access/sessions.ts';
import { createTokens } from '../../src/access/tokens.ts';
import { createApi, type Api } from '../../src/api/server.ts';
import { hasCode } from '../../src/core/errors.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { freePort } from '../support/ports.ts';
import { runProgram } from '../support/process.ts';
import { ScriptedView } from '../support/scripted-view.ts';
import { tempDir } from '../support/tempdir.ts';
import { startApi } from './api-fixture.ts';

function apiAt(socketPath: string, listen: { host: string; port: number }): Api {
  const clock = new ManualClock();
  const store = new MemoryStore();
  return createApi(
    {
      view: new ScriptedView(),
      clock,
      log: silentLog,
      certificateChecks: [],
      installationChecks: [],
      tokens: createTokens({ store, clock }),
      sessions: createSessions({ clock }),
      loginLinks: createLoginLinks({ clock }),
    },
    { listen, socketPath, allowedHosts: () => [], webDir: '/nonexistent' },
  );
}

const { signal } = new AbortController();
const anyPort = { host: '127.0.0.1', port: 0 };

suite('where the API listens', () => {
  test('the socket is 0600 in a directory 0700, also where the directory was open before', async () => {
    await using dir = await tempDir();
    await mkdir(dir.join('run'), { mode: 0o755 });
    await chmod(dir.join('run'), 0o755);
    await using api = apiAt(dir.join('run', 'admin.sock'), anyPort);
    await api.start(signal);
    assert.equal((await stat(dir.join('run'))).mode & 0o777, 0o700);
    assert.equal((await stat(dir.join('run', 'admin.sock'))).mode & 0o777, 0o600);
    await api[Symbol.asyncDispose]();
    await assert.rejects(stat(dir.join('run', 'admin.sock')), { code: 'ENOENT' });
  });

  test('a socket that a killed process left is replaced, one that answers is not', async () => {
    await using dir = await tempDir();
    const socketPath = dir.join('run', 'admin.sock');
    await mkdir(dir.join('run'));
    const script = `require('node:net').createServer().listen(${JSON.stringify(socketPath)}, () => process.kill(process.pid, 'SIGKILL'))`;
    await runProgram(process.execPath, ['-e', script]);
    assert.ok((await stat(socketPath)).isSocket());
    await using first = apiAt(socketPath, anyPort);
    await first.start(signal);
    await using second = apiAt(socketPath, anyPort);
    await assert.rejects(second.start(signal), (error: unknown) => hasCode(error, 'store.locked'));
    await assert.rejects(fetch(second.address), 'its TCP listener is closed as well');
    assert.equal((await fetch(`${first.address}/api/v1/openapi.json`)).status, 200);
  });

  test('an address in use is named with what to do, and leaves nothing open', async () => {
    await using dir = await tempDir();
    const port = await freePort();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
    try {
      await using api = apiAt(dir.join('run', 'admin.sock'), { host: '127.0.0.1', port });
      await assert.rejects(api.start(signal), (error: Error) => {
        assert.ok(hasCode(error, 'terminator.address-in-use'));
        assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}.*admin\\.listen`));
        return true;
      });
      await assert.rejects(stat(dir.join('run', 'admin.sock')), { code: 'ENOENT' });
    } finally {
      other.close();
    }
  });

  test('another address than loopback is refused before anything is opened', async () => {
    await using dir = await tempDir();
    for (const host of ['0.0.0.0', '::', '192.0.2.1', 'example.com']) {
      await using api = apiAt(dir.join('run', 'admin.sock'), { host, port: 0 });
      await assert.rejects(api.start(signal), (error: unknown) => hasCode(error, 'access.insecure-listen'), host);
    }
    await assert.rejects(stat(dir.join('run')), { code: 'ENOENT' });
  });

  test('ends with the signal given to start, and never starts once it is aborted', async () => {
    await using dir = await tempDir();
    const stop = new AbortController();
    await using api = apiAt(dir.join('run', 'admin.sock'), anyPort);
    await api.start(stop.signal);
    stop.abort();
    await api[Symbol.asyncDispose]();
    await assert.rejects(fetch(api.address));
    await using late = apiAt(dir.join('run', 'admin.sock'), anyPort);
    await assert.rejects(late.start(stop.signal), { name: 'AbortError' });
  });
});

suite('the web page', () => {
  test('serves hashed assets for ever, the page for every address of its own, and asks again for both otherwise', async () => {
    await using dir = await tempDir();
    await mkdir(dir.join('assets'));
    await writeFile(dir.join('index.html'), '<!doctype html><title>page</title>');
    await writeFile(dir.join('assets', 'index-abc123.js'), 'export {};');
    await writeFile(dir.join('icon.svg'), '<svg/>');
    await using fixture = await startApi({ webDir: dir.path });
    const get = async (path: string) =>
      await fixture.visit(path, { as: fixture.none, headers: { accept: 'text/html' } });
    const asset = await get('/assets/index-abc123.js');
    assert.match(asset.headers['cache-control'] ?? '', /immutable/);
    assert.match(asset.headers['content-type'] ?? '', /javascript/);
    assert.equal((await get('/icon.svg')).headers['cache-control'], 'no-cache');
    for (const path of ['/', '/certificates', '/certificates/route%2Fhello.localhost', '/login']) {
      const page = await get(path);
      assert.equal(page.status, 200, path);
      assert.match(page.body, /<title>page/);
      assert.equal(page.headers['cache-control'], 'no-cache');
    }
    assert.equal((await get('/assets/gone-1.js')).status, 404);
    for (const path of ['/..%2f..%2fetc%2fpasswd', '/%2e%2e/%2e%2e/etc/passwd', '/assets/..%2f..%2fetc%2fpasswd']) {
      assert.doesNotMatch((await get(path)).body, /root:/, path);
    }
    assert.equal((await fixture.visit('/', { as: fixture.none, method: 'POST' })).status, 404);
  });

  test('says how to build the page where it is not built, and the API works all the same', async () => {
    await using fixture = await startApi();
    const page = await fixture.visit('/', { as: fixture.none });
    assert.equal(page.status, 503);
    assert.match(page.headers['content-type'] ?? '', /text\/html/);
    assert.match(page.body, /npm run build/);
    assert.equal((await fixture.call('/overview')).status, 200);
  });

  test('allows nothing inline, no frame and no other origin, and pins nothing on localhost', async () => {
    await using fixture = await startApi();
    for (const path of ['/', '/api/v1/overview', '/login?code=x']) {
      const { headers } = await fixture.visit(path, { as: fixture.none });
      const policy = headers['content-security-policy'] as string;
      assert.match(policy, /default-src 'none'/);
      assert.match(policy, /frame-ancestors 'none'/);
      assert.doesNotMatch(policy, /unsafe|https:|\*/);
      assert.equal(headers['strict-transport-security'], undefined);
      assert.equal(headers['x-powered-by'], undefined);
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.equal(headers['access-control-allow-origin'], undefined);
    }
    const { headers } = await fixture.call('/overview');
    assert.equal(headers['cache-control'], 'no-store');
  });
});

test('never (§5.9): what the store keeps of a token cannot be used as one', async () => {
  await using fixture = await startApi();
  const { token, record } = await fixture.tokens.create({ label: 'x', role: 'admin' });
  const kept = JSON.stringify(await fixture.store.list('token'));
  assert.ok(!kept.includes(token) && !kept.includes(token.slice(-43)));
  assert.ok(kept.includes(record.hash));
  const ask = async (value: string): Promise<number> =>
    (await fixture.call('/overview', { as: { headers: { authorization: `Bearer ${value}` } } })).status;
  assert.equal(await ask(token), 200);
  assert.equal(await ask(record.hash), 401);
  assert.equal(await ask(`cp_${record.id}_${record.hash.slice(0, 43)}`), 401);
});
