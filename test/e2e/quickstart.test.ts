/** The quickstart as a new user meets it: what it prints works as it stands, and it can be stopped and started again. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CertificateList } from '../../src/api/contract/certificates.ts';
import type { HistoryEntry } from '../../src/api/contract/overview.ts';
import { startBackend } from '../support/backend.ts';
import { startCertplane, type Certplane } from '../support/certplane.ts';
import { fetchOnce } from '../support/http.ts';
import { bannerOf, paste, quickstart, type QuickstartPorts } from '../support/quickstart.ts';
import { missingTools } from '../support/tools.ts';
import { until } from '../support/until.ts';

async function ask<T>(certplane: Certplane, path: string): Promise<T> {
  const { status, body } = await fetchOnce(`http://admin/api/v1/${path}`, {
    socketPath: join(certplane.dir, 'data', 'run', 'admin.sock'),
  });
  assert.equal(status, 200, body);
  return JSON.parse(body) as T;
}

async function serials(certplane: Certplane): Promise<Record<string, string | null>> {
  const { items } = await ask<CertificateList>(certplane, 'certificates?sort=name');
  return Object.fromEntries(items.map(({ id, serial }) => [id, serial]));
}

/** What clients see under a host name, by a connection of their own. */
async function get(certplane: Certplane, ports: QuickstartPorts, host: string): Promise<string> {
  const ca = await readFile(join(certplane.dir, 'data', 'ca', 'local.pem'), 'utf8');
  const { body } = await fetchOnce(`https://${host}:${ports.https}/`, { ca, connectTo: { port: ports.https } });
  return body;
}

test('what the quickstart prints works as it stands', { skip: await missingTools('curl') }, async () => {
  const { yaml, ports } = await quickstart();
  await using certplane = await startCertplane({ configYaml: yaml, waitReady: false });
  const banner = await bannerOf(certplane.process);
  assert.equal(banner.https, `https://127.0.0.1:${ports.https}`);
  assert.equal(banner.http, `http://127.0.0.1:${ports.http}`);
  assert.equal(banner.dashboard, `http://127.0.0.1:${ports.admin}`);

  const proof = await paste(banner.proof, certplane.dir);
  assert.equal(proof.stdout, 'hello over TLS\n', `${banner.proof}\n${proof.stderr}`);

  assert.equal(await get(certplane, ports, 'api.localhost'), '{"served":"by Certplane"}\n');
  assert.equal(await get(certplane, ports, 'one.apps.localhost'), 'an app under a wildcard certificate\n');
  assert.equal(await get(certplane, ports, 'two.apps.localhost'), 'an app under a wildcard certificate\n');

  for (const host of ['hello.localhost', 'one.apps.localhost']) {
    const plain = await fetchOnce(`http://${host}:${ports.http}/a?b=c`, { connectTo: { port: ports.http } });
    assert.equal(plain.status, 308);
    assert.equal(plain.headers.location, `https://${host}:${ports.https}/a?b=c`);
  }
});

test('the login link logs in once', async () => {
  const { yaml } = await quickstart();
  await using certplane = await startCertplane({ configYaml: yaml, waitReady: false });
  const { dashboard, loginLink } = await bannerOf(certplane.process);
  assert.ok(loginLink.startsWith(`${dashboard}/login?code=`), loginLink);
  const certificates = `${dashboard}/api/v1/certificates`;
  assert.equal((await fetchOnce(certificates)).status, 401, 'nobody is let in without it');

  const login = await fetchOnce(loginLink);
  assert.equal(login.status, 303);
  const [cookie = ''] = login.headers['set-cookie'] ?? [];
  assert.match(cookie, /^certplane_session_\d+=\S+;.*HttpOnly; SameSite=Strict/);
  const headers = { cookie: cookie.split(';')[0] as string };
  const listed = await fetchOnce(certificates, { headers });
  assert.equal(listed.status, 200);
  assert.deepEqual((JSON.parse(listed.body) as CertificateList).items.map(({ id }) => id).toSorted(), [
    'file/api',
    'file/apps',
    'file/hello',
  ]);
  const page = await fetchOnce(dashboard, { headers });
  assert.match(page.body, /<title>.*Certplane/);

  const again = await fetchOnce(loginLink);
  assert.equal(again.status, 401);
  assert.equal(again.headers['set-cookie'], undefined);
});

test('never (§5.4): the second start reuses everything and issues nothing', async () => {
  const { yaml, ports } = await quickstart();
  await using certplane = await startCertplane({ configYaml: yaml, waitReady: false });
  const first = await bannerOf(certplane.process);
  const before = await serials(certplane);
  assert.deepEqual(Object.keys(before), ['file/api', 'file/apps', 'file/hello']);
  const root = await readFile(join(certplane.dir, 'data', 'ca', 'local.pem'), 'utf8');
  const issued = await ask<{ items: HistoryEntry[] }>(certplane, 'history?kind=issued');
  assert.equal(issued.items.length, 3);

  await certplane.restart();
  const second = await bannerOf(certplane.process);
  assert.notEqual(second.loginLink, first.loginLink, 'every start has a link of its own');
  assert.equal(await get(certplane, ports, 'hello.localhost'), 'hello over TLS\n');
  assert.deepEqual(await serials(certplane), before);
  assert.equal(await readFile(join(certplane.dir, 'data', 'ca', 'local.pem'), 'utf8'), root);
  assert.deepEqual(await ask(certplane, 'history?kind=issued'), issued);
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`never (§5.10): ${signal} lets open requests finish, ends with 0 and leaves nothing running`, async () => {
    await using backend = await startBackend();
    const { yaml, ports } = await quickstart();
    const route = `    - hosts: [slow.localhost]\n      backend: ${backend.url}\n`;
    const certificate = '  slow: { dnsNames: [slow.localhost], lifetime: 15m }\n';
    const configYaml = yaml
      .replace('terminator:\n', `${certificate}terminator:\n`)
      .replace('  routes:\n', `  routes:\n${route}`);
    await using certplane = await startCertplane({ configYaml, waitReady: false });
    await bannerOf(certplane.process);
    const ca = await readFile(join(certplane.dir, 'data', 'ca', 'local.pem'), 'utf8');

    const open = fetchOnce(`https://slow.localhost:${ports.https}/slow?ms=1500`, {
      ca,
      connectTo: { port: ports.https },
    });
    await until(() => backend.requests === 1, { what: 'the request at the backend' });
    // A terminal sends Ctrl-C to every process of the group, other things send SIGTERM to the first alone.
    if (signal === 'SIGINT') process.kill(-certplane.pid, signal);
    else certplane.kill(signal);
    assert.equal((await open).status, 200, 'the open request is answered');
    assert.deepEqual(await certplane.exited, { code: 0, signal: null }, certplane.output);
    assert.deepEqual(certplane.processes(), []);
    for (const port of Object.values(ports))
      await assert.rejects(fetchOnce(`http://127.0.0.1:${port}/`), /ECONNREFUSED/);
  });
}
