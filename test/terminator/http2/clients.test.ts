/** Clients as they are in the world, and the conformance tests. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import test from 'node:test';
import { answer } from '../../../src/terminator/proxy/exchange.ts';
import { startBackend, type Echo } from '../../support/backend.ts';
import { launchBrowser } from '../../support/browser.ts';
import { h2specOrSkip } from '../../support/h2spec.ts';
import { runProgram } from '../../support/process.ts';
import { tempDir } from '../../support/tempdir.ts';
import { missingTools, toolOrSkip } from '../../support/tools.ts';
import { proxyRoute, startTerminator, type TestTerminator } from '../support/harness.ts';
import { startFront } from './support/front.ts';

async function served(backend: string, host = 'a.test'): Promise<TestTerminator> {
  const terminator = await startTerminator({ routes: [proxyRoute(host, backend)] });
  await terminator.serve('file/a', 1, host);
  return terminator;
}

test('h2spec finds nothing to object to, strict tests included', { timeout: 120_000 }, async (t) => {
  const h2spec = await h2specOrSkip(t);
  if (h2spec === undefined) return;
  // Answered when the request is whole: an answer before that hides what is wrong with the frames that follow.
  await using front = await startFront({
    handle: ({ body }, outbound) => {
      if (body === undefined) answer(outbound, 200, 'whole\n');
      else body.read({ onData: () => undefined, onEnd: () => answer(outbound, 200, 'whole\n') });
    },
  });
  const args = ['--strict', '-o', '3', '-h', '127.0.0.1', '-p', String(front.port)];
  const { stdout, code } = await runProgram(h2spec, args, { name: 'h2spec', timeoutMs: 110_000 });
  assert.match(stdout, /\n\d{3} tests, \d{3} passed, 0 skipped, 0 failed/, stdout.slice(stdout.indexOf('Failures:')));
  assert.equal(code, 0);
});

test('curl: GET, HEAD, an upload, a large download, several on one connection', async (t) => {
  const curl = await toolOrSkip(t, 'curl');
  if (!curl) return;
  await using backend = await startBackend();
  await using terminator = await served(backend.url);
  await using dir = await tempDir();
  await writeFile(dir.join('ca.pem'), terminator.ca.certPem);
  await writeFile(dir.join('upload'), Buffer.alloc(2_000_000, 'u'));
  const origin = `https://a.test:${terminator.httpsPort}`;
  const common = ['-sS', '--http2', '--cacert', dir.join('ca.pem')];
  const resolve = ['--resolve', `a.test:${terminator.httpsPort}:127.0.0.1`];
  const run = async (...args: string[]): Promise<string> => {
    const { stdout, stderr, code } = await curl.run([...common, ...resolve, ...args]);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  assert.equal(await run('-o', dir.join('out'), '-w', '%{http_version} %{http_code}', `${origin}/x`), '2 200');
  assert.match(await run('-I', `${origin}/x`), /^HTTP\/2 200/);
  const upload = JSON.parse(await run('-T', dir.join('upload'), `${origin}/up`)) as Echo;
  assert.deepEqual([upload.method, upload.bodyBytes], ['PUT', 2_000_000]);
  const streamed = JSON.parse(await run('--data-binary', `@${dir.join('upload')}`, `${origin}/up`)) as Echo;
  assert.equal(streamed.bodyBytes, 2_000_000);
  const measured = '%{size_download} %{num_connects}\\n';
  const large = `${origin}/bytes?n=5000000`;
  const sizes = await run('-w', measured, '-o', dir.join('1'), large, '-o', dir.join('2'), large);
  assert.equal(sizes, '5000000 1\n5000000 0\n');
});

test('nghttp: many streams with priorities, trailers and padding, and an upload', async (t) => {
  const nghttp = await toolOrSkip(t, 'nghttp');
  if (!nghttp) return;
  await using backend = await startBackend();
  await using terminator = await served(backend.url);
  await using dir = await tempDir();
  await writeFile(dir.join('upload'), Buffer.alloc(300_000, 'u'));
  const url = `https://127.0.0.1:${terminator.httpsPort}/x`;
  const common = ['--no-verify-peer', '-H', ':authority: a.test', '-H', 'host: a.test'];
  // It takes the server name from the URL, so the host of the request is made to fit the default certificate.
  const settings = { ...terminator.settings, defaultHost: 'a.test' };
  await terminator.feed.acknowledged(terminator.feed.publish({ kind: 'settings', settings }));
  const many = await nghttp.run([...common, '-n', '-s', '-m', '20', '-b', '64', url]);
  assert.equal(many.code, 0, many.stderr);
  assert.equal(many.stdout.match(/ 200 /g)?.length, 20, many.stdout);
  const upload = await nghttp.run([...common, '-d', dir.join('upload'), '--trailer', 'x-sum: 1', url]);
  assert.equal((JSON.parse(upload.stdout) as Echo).bodyBytes, 300_000);
});

test('h2load: every request on many connections and streams is answered', async (t) => {
  const h2load = await toolOrSkip(t, 'h2load');
  if (!h2load) return;
  await using backend = await startBackend();
  await using terminator = await served(backend.url);
  const settings = { ...terminator.settings, defaultHost: 'a.test' };
  await terminator.feed.acknowledged(terminator.feed.publish({ kind: 'settings', settings }));
  const url = `https://127.0.0.1:${terminator.httpsPort}/`;
  const { stdout } = await h2load.run(['-n', '2000', '-c', '10', '-m', '20', '-H', ':authority: a.test', url]);
  assert.match(stdout, /2000 succeeded, 0 failed, 0 errored, 0 timeout/);
  assert.match(stdout, /2000 2xx/);
});

const noChromium = await missingTools('chromium');

test('Chromium: pages, uploads and a WebSocket, all of them over HTTP/2', { skip: noChromium }, async () => {
  await using backend = await startBackend();
  const host = 'a.localhost';
  await using terminator = await served(backend.url, host);
  await using browser = await launchBrowser();
  const { page } = await browser.page({ ignoreHTTPSErrors: true });
  const origin = `https://${host}:${terminator.httpsPort}`;
  await page.goto(`${origin}/page`);
  const seen = await page.evaluate(async () => {
    const { performance: timing, WebSocket: Socket } = globalThis as unknown as {
      performance: { getEntriesByType(type: string): { nextHopProtocol: string }[] };
      WebSocket: new (url: string) => EventTarget & { send(text: string): void };
    };
    const upload = await fetch('/up', { method: 'POST', body: 'u'.repeat(1_000_000) });
    const { bodyBytes } = (await upload.json()) as { bodyBytes: number };
    const socket = new Socket('/chat');
    const echoed = await new Promise<string>((resolve, reject) => {
      socket.addEventListener('open', () => socket.send('hello'));
      socket.addEventListener('message', (event) => resolve((event as Event & { data: string }).data));
      socket.addEventListener('error', () => reject(new Error('the WebSocket failed')));
    });
    const [navigation] = timing.getEntriesByType('navigation');
    return { protocol: navigation?.nextHopProtocol, bodyBytes, echoed };
  });
  assert.deepEqual(seen, { protocol: 'h2', bodyBytes: 1_000_000, echoed: 'hello' });
});
