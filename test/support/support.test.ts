/** The tests' own servers and clients, tried on each other. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import acme from 'acme-client';
import { startBackend, type Echo } from './backend.ts';
import { launchBrowser } from './browser.ts';
import { fetchOnce } from './http.ts';
import { startLoad } from './load.ts';
import { startNginx } from './nginx.ts';
import { startPebble } from './pebble.ts';
import { freePort } from './ports.ts';
import { runProgram, spawnProcess } from './process.ts';
import { TestCa } from './test-ca.ts';
import { missingTools } from './tools.ts';

const pebbleMissing = await missingTools('pebble', 'pebble-challtestsrv');
const nginxMissing = await missingTools('nginx');

test('Pebble issues through http-01 on the port it was told', { skip: pebbleMissing }, async () => {
  const answers = new Map<string, string>();
  const solver = createServer((request, response) => response.end(answers.get(request.url ?? '')));
  solver.listen(0, '127.0.0.1');
  await once(solver, 'listening');
  await using pebble = await startPebble({ httpPort: (solver.address() as { port: number }).port });
  acme.axios.defaults.httpsAgent = new (await import('node:https')).Agent({ ca: pebble.caPem });
  const client = new acme.Client({
    directoryUrl: pebble.directoryUrl,
    accountKey: await acme.crypto.createPrivateEcdsaKey(),
  });
  const [, csr] = await acme.crypto.createCsr({ altNames: ['shop.example.com'] });
  const chain = await client.auto({
    csr,
    termsOfServiceAgreed: true,
    skipChallengeVerification: true,
    challengePriority: ['http-01'],
    challengeCreateFn: async (_authz, challenge, authorization) => {
      answers.set(`/.well-known/acme-challenge/${challenge.token}`, authorization);
    },
    challengeRemoveFn: async () => {},
  });
  solver.closeAllConnections();
  solver.close();

  const intermediate = new X509Certificate(await pebble.intermediatePem());
  const leaf = new X509Certificate(chain);
  assert.ok(leaf.verify(intermediate.publicKey));
  assert.ok(intermediate.verify(new X509Certificate(await pebble.rootPem()).publicKey));
  assert.equal(leaf.subjectAltName, 'DNS:shop.example.com');
  assert.equal(pebble.ordersCreated(), 1);
  assert.equal(pebble.certificatesIssued(), 1);
  assert.ok(pebble.countRequests('/order-plz') >= 1);
  assert.ok(pebble.countRequests('POST /finalize-order/') >= 1);
  assert.equal(await pebble.certificateStatus(leaf.serialNumber), 'Valid');
  assert.ok((await pebble.dns.requests('shop.example.com.')).length > 0);
});

test('the load client finds no fault with nginx, in each of its modes', { skip: nginxMissing }, async () => {
  const ca = await TestCa.create();
  const leaf = await ca.issue({ dnsNames: ['a.localhost', 'b.localhost'] });
  await using backend = await startBackend();
  const port = await freePort();
  await using nginx = await startNginx({
    port,
    files: { 'cert.pem': leaf.fullchainPem, 'key.pem': leaf.keyPem },
    http: `
      map $http_upgrade $connection_header { default upgrade; '' ''; }
      server {
        listen 127.0.0.1:${port} ssl http2;
        ssl_certificate cert.pem; ssl_certificate_key key.pem;
        location / {
          proxy_http_version 1.1; proxy_pass ${backend.url};
          proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_header;
        }
      }`,
  });
  for (const mode of ['keepalive', 'new', 'h2', 'websocket'] as const) {
    const servernames = ['a.localhost', 'b.localhost'];
    await using load = startLoad({
      mode,
      port,
      caPem: ca.certPem,
      servernames,
      total: 200,
      concurrency: 4,
      bodyBytes: 100,
    });
    const summary = await load.finished();
    assert.deepEqual(load.failures, []);
    assert.equal(summary.ok, 200);
    assert.deepEqual(summary.serials['a.localhost'] && Object.keys(summary.serials['a.localhost']), [leaf.serial]);
  }
  assert.equal(nginx.process.exit, undefined);
});

test('the load client reports a cut answer, a refused connection and an untrusted certificate', async () => {
  const ca = await TestCa.create();
  const leaf = await ca.issue({ dnsNames: ['a.localhost'] });
  await using backend = await startBackend({ tls: leaf });
  const common = { mode: 'new', servernames: ['a.localhost'], total: 2, concurrency: 1 } as const;
  const attempts = [
    { port: backend.port, caPem: ca.certPem, path: '/cut', phase: 'request' },
    { port: await freePort(), caPem: ca.certPem, path: '/', phase: 'connect' },
    { port: backend.port, caPem: (await TestCa.create()).certPem, path: '/', phase: 'connect' },
    { port: backend.port, caPem: ca.certPem, path: '/status/503', phase: 'verify' },
  ];
  for (const { phase, ...rest } of attempts) {
    await using load = startLoad({ ...common, ...rest });
    assert.equal((await load.finished()).failures, 2);
    assert.deepEqual([...new Set(load.failures.map((failure) => failure.phase))], [phase]);
  }
});

test('Chromium opens a page', { skip: await missingTools('chromium') }, async () => {
  await using backend = await startBackend();
  await using browser = await launchBrowser();
  const { page, problems } = await browser.page({ viewport: { width: 390, height: 800 } });
  await page.goto(`${backend.url}/hello`);
  const echo = JSON.parse((await page.textContent('body')) ?? '') as Echo;
  assert.equal(echo.url, '/hello');
  assert.deepEqual(problems, []);
});

test('a process is awaited by its output and ended by its handle', async () => {
  await using child = spawnProcess(process.execPath, ['-e', `console.log('ready 7'); setInterval(() => {}, 1000)`]);
  assert.equal((await child.waitForLine(/ready (\d)/))[1], '7');
  assert.deepEqual(await child.stop(), { code: null, signal: 'SIGTERM' });
  await assert.rejects(child.waitForLine('never'), /ended \(signal SIGTERM\).*ready 7/s);
  await assert.rejects(runProgram('/does/not/exist', []), /did not start/);
  await assert.rejects(
    runProgram(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { timeoutMs: 100 }),
    /was ended/,
  );
  assert.equal(
    await fetchOnce('http://127.0.0.1:1/').catch((error: NodeJS.ErrnoException) => error.code),
    'ECONNREFUSED',
  );
  assert.match(await readFile(import.meta.filename, 'utf8'), /ended by its handle/);
});
