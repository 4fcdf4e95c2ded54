import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import test from 'node:test';
import type { ListenAddress } from '../../../src/core/terminator.ts';
import { activationVariables, PassedSockets, takeActivation } from '../../../src/terminator/pool/activation.ts';
import { BoundSocket } from '../../../src/terminator/pool/bound-socket.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { tempDir } from '../../support/tempdir.ts';
import { until } from '../../support/until.ts';
import { Listeners } from '../../../src/terminator/pool/listeners.ts';
import type { WorkerPool } from '../../../src/terminator/pool/worker-pool.ts';
import { activatedSite, bin, untilServing } from '../support/activated-site.ts';
import { startActivator } from '../support/activator.ts';

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
  assert.deepEqual(sockets.unused({ https: [at('0.0.0.0', 443), at('127.0.0.1', 443)], http: [] }), [
    at('::', 80),
    at('192.0.2.1', 8443),
  ]);
  assert.deepEqual(sockets.unused({ https: [], http: [at('192.0.2.1', 8443), at('0.0.0.0', 80)] }), [
    at('::', 443),
    at('127.0.0.1', 443),
    at('127.0.0.1', 443),
  ]);
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

test('a socket that was passed and that no address is for is said, at the start and after each change', async () => {
  const said: string[] = [];
  const log = { warn: (_message: string, fields?: object) => void said.push(String(Object.values(fields ?? {}))) };
  const pool = { count: 1, listen: () => Promise.resolve(1), unlisten: () => Promise.resolve() };
  const listeners = new Listeners(
    pool as unknown as WorkerPool,
    { clock: new ManualClock(), log },
    passed([at('127.0.0.1', 443), at('127.0.0.1', 80), at('127.0.0.1', 8080)], ['https', 'http', 'http']),
  );
  const open = async (...http: number[]): Promise<readonly string[]> => {
    const wanted = { https: [at('127.0.0.1', 443)], http: http.map((port) => at('127.0.0.1', port)) };
    assert.deepEqual(await listeners.update(wanted, () => undefined, new AbortController().signal), []);
    return said.splice(0);
  };
  assert.deepEqual(await open(80), ['127.0.0.1:8080']);
  assert.deepEqual(await open(80), [], 'once');
  assert.deepEqual(await open(8080), ['127.0.0.1:80'], 'taken out of the configuration');
  assert.deepEqual(await open(80, 8080), []);
  assert.deepEqual(await open(8080), ['127.0.0.1:80']);
});

test('the next program serves on the sockets that the one before it left open', async () => {
  await using activator = startActivator(['https', 'http']);
  const [https, http] = activator.ports as [number, number];
  await using place = await activatedSite(https, http);
  for (let i = 0; i < 2; i += 1) {
    await using program = activator.start([bin, 'terminator', '--config', place.config]);
    await untilServing(program, https, place.ca);
    program.child.kill('SIGTERM');
    assert.equal(await program.ended(), 0, program.output);
    assert.doesNotMatch(program.output, /address-in-use|was passed/);
  }
});

test('no other process gets the sockets or hears of them', async (t) => {
  if (process.platform !== 'linux') return t.skip('needs /proc');
  await using activator = startActivator(['https', 'http']);
  const [https, http] = activator.ports as [number, number];
  await using place = await activatedSite(https, http);
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
  await using place = await activatedSite(https, http);
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
