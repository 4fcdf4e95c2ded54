/** Changed, broken and emptied configuration files against the real program. */
import assert from 'node:assert/strict';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CertificateList } from '../../src/api/contract/certificates.ts';
import { startBackend } from '../support/backend.ts';
import { startCertplane, type Certplane } from '../support/certplane.ts';
import { fetchOnce } from '../support/http.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/until.ts';
import { site, type Site } from './site.ts';

const hosts = ['a.localhost', 'b.localhost', 'c.localhost'] as const;

interface Written {
  readonly names?: readonly string[];
  readonly body?: string;
  readonly https?: number;
}

function yamlOf(place: Site, { names = hosts, body = 'hello', https = place.https }: Written = {}): string {
  const certificates = names.map((host) => `  ${host[0]}: { dnsNames: [${host}], lifetime: 2h }`);
  const routes = names.map(
    (host) => `    - { hosts: [${host}], respond: { status: 200, body: ${JSON.stringify(body)} } }`,
  );
  return `${place.base}
issuers: { local: { ca: {} } }
defaults: { issuers: [local] }
${names.length === 0 ? '' : `certificates:\n${certificates.join('\n')}`}
terminator:
  workers: 1
  https: { listen: '127.0.0.1:${https}' }
  http: { listen: '127.0.0.1:${place.http}' }
  routes:${names.length === 0 ? ' []' : `\n${routes.join('\n')}`}
`;
}

/** In one step, as editors and mounts do it. */
async function write(certplane: Certplane, yaml: string): Promise<void> {
  await writeFile(`${certplane.configFile}.new`, yaml);
  await rename(`${certplane.configFile}.new`, certplane.configFile);
}

async function body(certplane: Certplane, host: string, port: number): Promise<string> {
  const ca = await readFile(join(certplane.dir, 'data', 'ca', 'local.pem'), 'utf8');
  return (await fetchOnce(`https://${host}:${port}/`, { ca, connectTo: { port } })).body;
}

async function serves(certplane: Certplane, host: string, port: number, wanted = 'hello'): Promise<void> {
  await until(async () => (await body(certplane, host, port)) === wanted, {
    what: `"${wanted}" from ${host}:${port}\n${certplane.output}`,
  });
}

async function serials(certplane: Certplane): Promise<Record<string, string | null>> {
  const socketPath = join(certplane.dir, 'data', 'run', 'admin.sock');
  const answer = await fetchOnce('http://admin/api/v1/certificates?sort=name', { socketPath });
  assert.equal(answer.status, 200, answer.body);
  return Object.fromEntries((JSON.parse(answer.body) as CertificateList).items.map(({ id, serial }) => [id, serial]));
}

async function runningProcess(certplane: Certplane, command: string): Promise<number> {
  return await until(() => certplane.processes().find(({ args }) => args.includes(`bin.ts ${command} `))?.pid, {
    what: `the ${command} process`,
  });
}

test('SIGHUP, reload and --watch apply a good file; a broken or half-empty one changes nothing until it is accepted', async () => {
  const place = await site();
  await using certplane = await startCertplane({ configYaml: yamlOf(place), args: ['--watch'] });
  await serves(certplane, 'a.localhost', place.https);

  await write(certplane, yamlOf(place, { body: 'by watch' }));
  await serves(certplane, 'a.localhost', place.https, 'by watch');

  const before = await serials(certplane);
  await write(certplane, 'certificates: [this is: not a mapping');
  const broken = await certplane.cli(['reload']);
  assert.equal(broken.code, 1, broken.stdout);
  assert.match(broken.stderr, /config\.invalid/);
  assert.deepEqual(await serials(certplane), before);
  assert.equal(await body(certplane, 'a.localhost', place.https), 'by watch');

  await write(certplane, yamlOf(place, { names: ['a.localhost'], body: 'alone' }));
  const held = await certplane.cli(['reload']);
  assert.equal(held.code, 1, held.stdout);
  assert.match(held.stderr, /removes 2 of 3 certificates.*--accept-removal/s);
  assert.equal(await body(certplane, 'b.localhost', place.https), 'by watch');
  const accepted = await certplane.cli(['reload', '--accept-removal']);
  assert.equal(accepted.code, 0, accepted.stderr);
  assert.match(accepted.stdout, /0 added, 0 changed, 2 removed/);
  await serves(certplane, 'a.localhost', place.https, 'alone');
  assert.equal((await serials(certplane))['file/a'], before['file/a'], 'what stays is not issued again');

  // The new address is open before the old one closes, so at every moment one of them answers.
  const moved = await freePort();
  let gaps = 0;
  const watching = until(
    async () => {
      const old = await body(certplane, 'a.localhost', place.https).catch(() => undefined);
      const fresh = await body(certplane, 'a.localhost', moved).catch(() => undefined);
      if (old === undefined && fresh === undefined) gaps += 1;
      return old === undefined && fresh === 'moved';
    },
    { everyMs: 1, what: 'the new address alone' },
  );
  await write(certplane, yamlOf(place, { names: ['a.localhost'], body: 'moved', https: moved }));
  process.kill(certplane.pid, 'SIGHUP');
  await watching;
  assert.equal(gaps, 0);
});

test('never (§5.7): started with an emptied file, what served goes on being served and renewed', async () => {
  const place = await site();
  await using certplane = await startCertplane({ configYaml: yamlOf(place) });
  for (const host of hosts) await serves(certplane, host, place.https);
  const before = await serials(certplane);
  await certplane.process.stop();

  await using emptied = await startCertplane({
    dir: certplane.dir,
    configYaml: '',
    waitReady: false,
  });
  await emptied.process.waitForLine(/Certplane is running/);
  for (const host of hosts) await serves(emptied, host, place.https);
  assert.deepEqual(await serials(emptied), before);
  const ready = await fetchOnce(`http://127.0.0.1:${place.metrics}/readyz`);
  assert.equal(ready.status, 200, 'the addresses are those of the configuration in force');

  const renewed = await emptied.cli(['renew', 'a', '--wait']);
  assert.equal(renewed.code, 0, `${renewed.stderr}\n${emptied.output}`);
  assert.notEqual((await serials(emptied))['file/a'], before['file/a'], 'its issuer is still there');
  const doctor = await emptied.cli(['doctor']);
  assert.match(doctor.stdout, /config\.removal-held|removes 3 of 3/);

  await write(emptied, yamlOf(place, { body: 'back' }));
  const back = await emptied.cli(['reload']);
  assert.equal(back.code, 0, back.stderr);
  await serves(emptied, 'c.localhost', place.https, 'back');
});

test('a terminator that starts again while the file is broken serves from its last-good copy', async () => {
  const place = await site();
  await using certplane = await startCertplane({ configYaml: yamlOf(place) });
  await serves(certplane, 'a.localhost', place.https);
  await write(certplane, 'terminator: 7');
  const first = await runningProcess(certplane, 'terminator');
  process.kill(first, 'SIGKILL');
  await until(async () => (await runningProcess(certplane, 'terminator')) !== first, { what: 'another terminator' });
  await serves(certplane, 'a.localhost', place.https);
});

test('an empty file and an empty data directory are refused with a sentence', async () => {
  await using certplane = await startCertplane({ configYaml: '', waitReady: false });
  assert.deepEqual(await certplane.exited, { code: 1, signal: null });
  assert.match(certplane.output, /There is nothing to do: .*has no certificates and no terminator/);
});

test('a later second signal ends the terminator although a request is open, and leaves nothing running', async () => {
  const place = await site();
  await using backend = await startBackend();
  const slow = `    - { hosts: [slow.localhost], backend: ${backend.url} }`;
  const yaml = yamlOf(place)
    .replace('certificates:\n', 'certificates:\n  slow: { dnsNames: [slow.localhost], lifetime: 2h }\n')
    .replace('  routes:\n', `  routes:\n${slow}\n`);
  await using certplane = await startCertplane({ configYaml: yaml });
  await until(async () => (await body(certplane, 'slow.localhost', place.https)) !== '', { what: 'the backend' });
  const before = backend.requests;
  const ca = await readFile(join(certplane.dir, 'data', 'ca', 'local.pem'), 'utf8');
  const url = `https://slow.localhost:${place.https}/hang`;
  const open = assert.rejects(fetchOnce(url, { ca, connectTo: { port: place.https }, timeoutMs: 60_000 }));
  await until(() => backend.requests > before, { what: 'the request at the backend' });
  const isOver = (): boolean => {
    if (certplane.process.exit === undefined) certplane.kill('SIGTERM');
    return certplane.process.exit !== undefined;
  };
  // The backend never answers and a drain lasts 30 s by default: only the second signal can end it before.
  await until(isOver, { everyMs: 200, timeoutMs: 20_000, what: 'the end' });
  await open;
  assert.deepEqual(certplane.processes(), []);
});
