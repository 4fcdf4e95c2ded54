import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import test from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import type { ListenAddress } from '../../../src/core/terminator.ts';
import { activationVariables, PassedSockets, takeActivation } from '../../../src/terminator/pool/activation.ts';
import { BoundSocket } from '../../../src/terminator/pool/bound-socket.ts';
import { groupProcesses } from '../../support/process-tree.ts';
import { startLoad } from '../../support/load.ts';
import { tempDir } from '../../support/tempdir.ts';
import { TestCa } from '../../support/test-ca.ts';
import { until } from '../../support/until.ts';
import { startActivator, type Activated } from '../support/activator.ts';

const bin = join(import.meta.dirname, '..', '..', '..', 'src', 'bin.ts');

test('passed sockets are taken by the process they are meant for, and the variables go', () => {
  const env = { LISTEN_PID: '77', LISTEN_FDS: '2', LISTEN_FDNAMES: 'https:http', PATH: '/bin' };
  assert.deepEqual(takeActivation({ ...env }, [77]), { count: 2, names: ['https', 'http'] });
  const given = { ...env };
  assert.deepEqual(takeActivation(given, [76, 78]), undefined);
  assert.deepEqual(given, { PATH: '/bin' });
  assert.deepEqual(takeActivation({ LISTEN_PID: '77', LISTEN_FDS: '1' }, [77]), { count: 1, names: [] });
  for (const fds of ['0', '-1', '1.5', 'x', '', '99999'])
    assert.equal(takeActivation({ LISTEN_PID: '77', LISTEN_FDS: fds }, [77]), undefined, fds);
  assert.equal(takeActivation({ LISTEN_FDS: '1' }, [77]), undefined);
  const passedOn = activationVariables({ count: 2, names: ['https', 'http'] });
  assert.deepEqual(takeActivation(passedOn, [process.pid]), { count: 2, names: ['https', 'http'] });
});

function passed(addresses: readonly ListenAddress[], names: readonly string[]): PassedSockets {
  return new PassedSockets({ count: addresses.length, names }, (fd) => {
    const address = addresses[fd - 3] as ListenAddress;
    if (address.port === 0) return undefined;
    const getsockname = (out: { port?: number }): number => {
      out.port = address.port;
      return 0;
    };
    return { handle: { close: () => assert.fail('closed'), getsockname }, address };
  });
}

const at = (host: string, port: number): ListenAddress => ({ host, port });
const urls = (found: readonly BoundSocket[] | undefined): string[] | undefined => found?.map(({ url }) => url);

test('a socket is for an address by its name, and by where it is bound', () => {
  const sockets = passed(
    [at('::', 443), at('127.0.0.1', 443), at('127.0.0.1', 443), at('::', 80), at('192.0.2.1', 8443), at('', 0)],
    ['https', 'https', 'https', 'http', 'certplane.socket'],
  );
  assert.deepEqual(sockets.unusable, [8]);
  assert.deepEqual(urls(sockets.take('https', at('0.0.0.0', 443))), ['https://[::]:443']);
  assert.deepEqual(urls(sockets.take('https', at('127.0.0.1', 443))), [
    'https://127.0.0.1:443',
    'https://127.0.0.1:443',
  ]);
  assert.equal(sockets.take('http', at('127.0.0.1', 443)), undefined, 'named for the other protocol');
  assert.equal(sockets.take('https', at('127.0.0.1', 8443)), undefined);
  assert.deepEqual(sockets.unused(), [at('::', 80), at('192.0.2.1', 8443)]);
  assert.deepEqual(
    urls(sockets.take('https', at('192.0.2.1', 8443))),
    ['https://192.0.2.1:8443'],
    'without a name of ours',
  );
  // It is the configuration's to have it again.
  const [socket] = sockets.take('http', at('::', 80)) ?? [];
  socket?.close();
  assert.deepEqual(urls(sockets.take('http', at('::', 80))), ['http://[::]:80']);
});

interface Site extends AsyncDisposable {
  readonly config: string;
  readonly ca: TestCa;
}

/** A terminator that needs no control: a directory of certificates and one route. */
async function site(httpsPort: number, httpPort: number): Promise<Site> {
  const directory = await tempDir();
  const ca = await TestCa.create();
  const leaf = await ca.issue({ dnsNames: ['a.localhost'] });
  await mkdir(directory.join('certs'));
  await writeFile(directory.join('certs', 'a.crt'), leaf.fullchainPem);
  await writeFile(directory.join('certs', 'a.key'), leaf.keyPem, { mode: 0o600 });
  const config = directory.join('certplane.yaml');
  await writeFile(
    config,
    `dataDir: ./data
metrics: false
admin: { listen: '127.0.0.1:0' }
certificates: {}
terminator:
  workers: 2
  https: { listen: '127.0.0.1:${httpsPort}' }
  http: { listen: '127.0.0.1:${httpPort}' }
  sources: [{ files: { directory: ./certs } }]
  routes:
    - hosts: [a.localhost]
      respond: { status: 200, body: "here\\n" }
      automaticCertificate: false
`,
  );
  return { config, ca, [Symbol.asyncDispose]: async () => await directory[Symbol.asyncDispose]() };
}

async function untilServing(program: Activated, port: number, ca: TestCa): Promise<void> {
  const attempt = async (): Promise<boolean> => {
    if (program.child.exitCode !== null) return true;
    const socket = tlsConnect({ port, host: '127.0.0.1', servername: 'a.localhost', ca: ca.certPem });
    const done = await Promise.race([
      once(socket, 'secureConnect').then(() => true),
      once(socket, 'close').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    return done;
  };
  await until(attempt, { what: 'the terminator to serve', timeoutMs: 30_000 });
  assert.equal(program.child.exitCode, null, program.output);
}

for (const command of ['terminator', 'run'] as const) {
  test(`never (§5.3): the program is replaced by another one on the activator's sockets, and no client is refused (${command})`, async (t) => {
    if (process.platform === 'win32') return t.skip('needs a shell');
    await using activator = startActivator(['https', 'http']);
    const [https, http] = activator.ports as [number, number];
    await using place = await site(https, http);
    const args = [bin, command, '--config', place.config];
    await using first = activator.start(args);
    await untilServing(first, https, place.ca);
    await using load = startLoad({
      mode: 'new',
      port: https,
      caPem: place.ca.certPem,
      servernames: ['a.localhost'],
      concurrency: 4,
      verify: { status: 200, bodyIncludes: 'here' },
      requestTimeoutMs: 30_000,
    });
    await load.reached(50);
    first.child.kill('SIGTERM');
    assert.equal(await first.ended(), 0, first.output);
    await using second = activator.start(args);
    const before = load.done;
    await load.reached(before + 100);
    await load.stop();
    assert.deepEqual(load.failures, []);
    assert.equal(second.child.exitCode, null);
    assert.doesNotMatch(first.output + second.output, /address-in-use|was passed/);
    // The plain listener is the activator's, too.
    const plain = connect(http, '127.0.0.1');
    plain.write('GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n');
    const [answer] = (await once(plain, 'data')) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 308 /);
    plain.destroy();
  });
}

test('a terminator that is killed gets the same sockets again from the process that watches over it', async (t) => {
  if (process.platform !== 'linux') return t.skip('needs /proc');
  await using activator = startActivator(['https', 'http']);
  const [https, http] = activator.ports as [number, number];
  await using place = await site(https, http);
  await using program = activator.start([bin, 'run', '--config', place.config]);
  await untilServing(program, https, place.ca);
  const terminator = (): number | undefined =>
    groupProcesses(program.pid).find(({ args }) => args.includes(' terminator '))?.pid;
  const killed = terminator() as number;
  process.kill(killed, 'SIGKILL');
  await until(() => ![undefined, killed].includes(terminator()), { what: 'the next terminator' });
  await untilServing(program, https, place.ca);
  assert.doesNotMatch(program.output, /address-in-use|was passed/);
});

test('no other process gets the sockets or hears of them', async (t) => {
  if (process.platform !== 'linux') return t.skip('needs /proc');
  await using activator = startActivator(['https', 'http']);
  const [https, http] = activator.ports as [number, number];
  await using place = await site(https, http);
  await using program = activator.start([bin, 'terminator', '--config', place.config]);
  await untilServing(program, https, place.ca);
  const children = await readFile(`/proc/${program.pid}/task/${program.pid}/children`, 'utf8');
  const workers = children.trim().split(' ').map(Number);
  assert.equal(workers.length, 2);
  for (const pid of workers) assert.doesNotMatch(await readFile(`/proc/${pid}/environ`, 'utf8'), /LISTEN_/);
});

test('what is passed and not in the configuration is said; what is no TCP socket is left alone', async () => {
  await using activator = startActivator(['https', 'http', 'https']);
  const [https, http] = activator.ports as [number, number];
  await using place = await site(https, http);
  await using program = activator.start([bin, 'terminator', '--config', place.config]);
  await untilServing(program, https, place.ca);
  await until(() => program.output.includes('for no address in the configuration'));
  assert.match(program.output, new RegExp(`127\\.0\\.0\\.1:${activator.ports[2]}`));
});

test('a descriptor that is no socket cannot be adopted', async () => {
  const { openDescriptor } = await import('../../../src/terminator/pool/bound-socket.ts');
  await using directory = await tempDir();
  const { open } = await import('node:fs/promises');
  await using file = await open(directory.join('file'), 'w');
  assert.equal(openDescriptor(file.fd), undefined);
  const unix = createServer((socket: Socket) => socket.destroy());
  unix.listen(directory.join('socket'));
  await once(unix, 'listening');
  unix.close();
});
