/** CAs, outputs, backends and clients that misbehave, all at once, around one certificate that must not notice. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import type { CertificateDetail } from '../../src/api/contract/certificates.ts';
import { show } from '../e2e/shop.ts';
import { processesOf } from '../load/shop.ts';
import { startBackend } from '../support/backend.ts';
import { startCertplane, type Certplane } from '../support/certplane.ts';
import { fetchOnce } from '../support/http.ts';
import { startLoad, type Load } from '../support/load.ts';
import { until } from '../support/until.ts';
import { connectPlain, rawBackend, talk } from '../terminator/support/raw.ts';
import { brokenCas, startBrokenCas, stalledCertificates, type BrokenCas } from './broken-cas.ts';
import { configFor, openPlace, type Place } from './broken-site.ts';

suite('everything around it is broken, and one certificate goes on', () => {
  const stack = new AsyncDisposableStack();
  let place: Place;
  let cas: BrokenCas;
  let certplane: Certplane;
  let rootPem: string;
  let load: Load;
  let firstSerial: string;

  before(async () => {
    const steady = stack.use(await startBackend());
    const silent = stack.use(await rawBackend(() => undefined));
    place = await openPlace({ backend: steady.url, silent: silent.url });
    stack.defer(async () => await place[Symbol.asyncDispose]());
    cas = stack.use(await startBrokenCas(place.dir));
    await halfWrittenSet(join(place.dir, 'live', 'half'));
    await writeFile(join(place.dir, 'live', 'blocked'), 'a file where a directory should be\n');
    certplane = stack.use(await startCertplane({ dir: place.dir, configYaml: configFor(place, cas.issuersYaml) }));
    rootPem = await until(async () => await readFile(join(place.dir, 'data', 'ca', 'local.pem'), 'utf8'));
    firstSerial = await until(async () => (await handshake('good.test')).serial, { what: 'the good certificate' });
    const target = { port: place.https, caPem: rootPem, servernames: ['good.test'], pauseMs: 20, maxMs: 200_000 };
    load = stack.use(startLoad({ ...target, mode: 'new', concurrency: 1 }));
  });
  after(async () => await stack.disposeAsync());

  async function handshake(host: string): Promise<{ socket: TLSSocket; serial: string }> {
    const socket = connect({ host: '127.0.0.1', port: place.https, servername: host, ca: rootPem });
    await once(socket, 'secureConnect');
    const serial = socket.getPeerX509Certificate()?.serialNumber ?? '';
    socket.once('error', () => undefined);
    socket.unref();
    return { socket, serial };
  }

  /** What a person sees with the command line. */
  async function shown(name: string): Promise<CertificateDetail> {
    const { code, stdout, stderr } = await certplane.cli(['show', name, '--json']);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as CertificateDetail;
  }

  async function get(host: string, path: string): Promise<{ status: number; body: string }> {
    return await fetchOnce(`https://${host}${path}`, { ca: rootPem, connectTo: { port: place.https } });
  }

  for (const { name, what, code, says, problem } of brokenCas) {
    test(`${what}: ${code}, with a reason and a time of the next attempt`, async () => {
      await until(async () => (await show(certplane, `file/${name}`)).lastFailure !== null, {
        timeoutMs: 60_000,
        what: `the failure of ${name}`,
      });
      const detail = await shown(name);
      assert.ok(detail.lastFailure !== null);
      assert.equal(detail.lastFailure.code, code, detail.lastFailure.message);
      assert.match(detail.lastFailure.message, says);
      if (problem !== undefined) assert.match(JSON.stringify(detail.lastFailure.problem), problem);
      assert.equal(detail.serial, null, 'nothing was taken into use');
      const why = detail.checks.find(({ verdict }) => verdict === 'problem' || verdict === 'waiting');
      assert.ok(why !== undefined && why.message.length > 20, JSON.stringify(detail.checks));
      assert.ok(detail.nextActionAt !== null && Date.parse(detail.nextActionAt) > Date.now());
    });
  }

  test('the list names each of them, and what is wrong needs a person', async () => {
    const { code, stdout, stderr } = await certplane.cli(['list', '--attention', '--json']);
    assert.equal(code, 0, stderr);
    const { items } = JSON.parse(stdout) as { items: { id: string; sentence: string }[] };
    const listed = new Map(items.map(({ id, sentence }) => [id, sentence]));
    for (const { name } of brokenCas) assert.ok((listed.get(`file/${name}`) ?? '').length > 20, `${name} in ${stdout}`);
    assert.ok(!listed.has('file/good'));
  });

  test('never (§5.6): a dozen certificates at a CA that never answers do not keep others from being issued', async () => {
    const stalled = await show(certplane, `file/${stalledCertificates[0]}`);
    assert.notEqual(stalled.phase.state, 'ready');
    const { code, stderr } = await certplane.cli(['renew', 'spare', '--wait'], { timeoutMs: 25_000 });
    assert.equal(code, 0, stderr);
  });

  test('a reload command that hangs is stopped and shown; the files are in place and the certificate is served', async () => {
    const detail = await until(
      async () => {
        const one = await shown('hook');
        return one.delivery.state === 'failed' && one;
      },
      { timeoutMs: 20_000, what: 'the failed delivery' },
    );
    const [output] = detail.outputs;
    assert.equal(output?.reason.code, 'output.reload-timeout');
    assert.match(output.reason.message, /did not end within 1 s and was stopped.*\nhook started/s);
    assert.equal(detail.phase.state, 'ready');
    assert.match(await readFile(join(place.dir, 'live', 'hook', 'fullchain.pem'), 'utf8'), /BEGIN CERTIFICATE/);
    const pid = Number(await readFile(join(place.dir, 'hook.pid'), 'utf8'));
    await until(() => !alive(pid), { what: 'the end of the reload command' });
  });

  test('a half-written set of an earlier run is replaced by a whole one', async () => {
    await until(async () => (await show(certplane, 'file/half')).delivery.state === 'delivered', { what: 'delivery' });
    const [combined, chain, key] = await Promise.all(
      ['combined', 'fullchain', 'privkey'].map(
        async (name) => await readFile(join(place.dir, 'live', 'half', `${name}.pem`), 'utf8'),
      ),
    );
    assert.equal(combined, `${chain}${key}`);
  });

  test('an output directory that is a file is named, and the file is left alone', async () => {
    await until(async () => (await show(certplane, 'file/blocked')).delivery.state === 'failed', {
      what: 'the failure',
    });
    const detail = await shown('blocked');
    assert.equal(detail.outputs[0]?.reason.code, 'output.path-unusable');
    assert.equal(detail.phase.state, 'ready');
    assert.match(await readFile(join(place.dir, 'live', 'blocked'), 'utf8'), /^a file where/);
  });

  test('a backend that is down is 502, one that never answers 504, each at once or at its deadline', async () => {
    const [down, silent] = await Promise.all([get('good.test', '/down'), get('good.test', '/silent')]);
    assert.deepEqual([down.status, silent.status], [502, 504]);
    assert.match(down.body, /^502 Bad Gateway/);
    assert.match(silent.body, /^504 Gateway Timeout/);
  });

  test('clients that stall in the handshake, the header or the body are let go', async () => {
    const head = 'POST /x HTTP/1.1\r\nHost: good.test\r\n';
    const [hello, header, body] = await Promise.all([
      connectPlain(place.https).then(async (socket) => await talk(socket, '\x16\x03\x01\x02\x00\x01\x00')),
      handshake('good.test').then(async ({ socket }) => await talk(socket, head)),
      handshake('good.test').then(async ({ socket }) => await talk(socket, `${head}Content-Length: 100\r\n\r\nhalf`)),
    ]);
    assert.doesNotMatch(hello, /HTTP/);
    assert.match(header, /^HTTP\/1\.1 408 /);
    assert.doesNotMatch(body, /^HTTP\/1\.1 200 /);
  });

  test('a request with both Content-Length and Transfer-Encoding is refused and its connection ends', async () => {
    const { socket } = await handshake('good.test');
    const smuggled =
      'POST / HTTP/1.1\r\nHost: good.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n' +
      'GET /smuggled HTTP/1.1\r\nHost: good.test\r\n\r\n';
    const answer = await talk(socket, smuggled);
    assert.match(answer, /^HTTP\/1\.1 400 /);
    assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1);
  });

  test('never (§5.5): a Retry-After of an hour outlives a killed control process and a request to renew', async () => {
    const before_ = await show(certplane, 'file/limited');
    const waitMs = Date.parse(before_.nextActionAt ?? '') - Date.now();
    assert.ok(waitMs > 3_400_000 && waitMs <= 3_600_000, `it waits ${waitMs} ms`);
    const control = processesOf(certplane, 'control')[0]?.pid ?? 0;
    process.kill(control, 'SIGKILL');
    const again = await until(async () => await show(certplane, 'file/limited'), {
      timeoutMs: 30_000,
      what: 'control',
    });
    assert.equal(again.nextActionAt, before_.nextActionAt);
    const renew = await certplane.cli(['renew', 'limited']);
    assert.equal(renew.code, 0, renew.stderr);
    assert.equal((await shown('limited')).lastFailure?.code, 'acme.rate-limited');
    assert.equal(cas.newOrders('limited'), 1, 'the CA was asked once');
  });

  test('meanwhile the good certificate was renewed by itself and no request for it failed', async () => {
    await until(async () => (await handshake('good.test')).serial !== firstSerial, {
      timeoutMs: 60_000,
      everyMs: 200,
      what: 'a renewal',
    });
    const { requests, failures, serials } = await load.stop();
    assert.deepEqual(load.failures, []);
    assert.equal(failures, 0);
    assert.ok(requests > 100, `${requests} requests`);
    assert.ok(Object.keys(serials['good.test'] ?? {}).length > 1, 'clients saw the renewal');
  });

  test('never (§5.10): nothing of it was an error nobody had planned for', () => {
    assert.doesNotMatch(certplane.output, /unhandled|internal\.unexpected|TypeError|ended in an error/i);
  });
});

/** What a process that died while writing its first set leaves. */
async function halfWrittenSet(directory: string): Promise<void> {
  await mkdir(join(directory, '..certplane-1'), { recursive: true });
  await writeFile(join(directory, '..certplane-1', 'privkey.pem'), '-----BEGIN PRIVATE KEY-----\nhalf', {
    mode: 0o600,
  });
  await symlink('..certplane-1', join(directory, '..certplane-next'));
  await symlink('..data/privkey.pem', join(directory, 'privkey.pem'));
}

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
