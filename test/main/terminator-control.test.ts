/** What control's wiring asks of the terminator beyond certificates. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TerminatorSettings } from '../../src/core/terminator.ts';
import { BoundSocket } from '../../src/terminator/pool/bound-socket.ts';
import { startBackend } from '../support/backend.ts';
import { until } from '../support/until.ts';
import { proxyRoute, startTerminator } from '../terminator/support/harness.ts';
import { TestFeed } from '../terminator/support/test-feed.ts';

test('never (§5.7): what is held goes when settings carry a new acceptance, and only then', async () => {
  await using terminator = await startTerminator();
  const { feed, supervisor, settings } = terminator;
  const tell = async (acceptShrinkAt: number): Promise<void> =>
    void (await feed.acknowledged(feed.publish({ kind: 'settings', settings: { ...settings, acceptShrinkAt } })));
  await tell(1);
  for (const host of ['a', 'b']) await terminator.serve(`file/${host}`, 1, `${host}.test`);
  feed.forget('certificate/file/a', 'certificate/file/b');
  await feed.acknowledged(feed.snapshot());
  assert.deepEqual(
    supervisor.status().problems.map(({ code }) => code),
    ['terminator.source-shrunk'],
  );
  assert.match(supervisor.status().problems[0]?.message ?? '', /certplane reload --accept-removal/);
  await tell(1);
  assert.equal(supervisor.status().served, 2);

  await tell(2);
  await until(() => supervisor.status().served === 0, { what: 'the acceptance to take effect' });
  assert.deepEqual(supervisor.status().problems, []);
});

test('a source is made with the settings in force, which it can ask for again later', async () => {
  const asked: (() => TerminatorSettings | undefined)[] = [];
  await using terminator = await startTerminator({
    settings: { sources: [{ kind: 'files', directory: '/certs' }], kubernetes: { context: 'one' } },
    sources: ((_spec: unknown, inForce: () => TerminatorSettings | undefined) => {
      asked.push(inForce);
      return new TestFeed({ name: 'files:/certs', epoch: 'files' });
    }) as never,
  });
  const { feed, settings } = terminator;
  assert.equal(asked[0]?.()?.kubernetes?.context, 'one');
  await feed.acknowledged(
    feed.publish({ kind: 'settings', settings: { ...settings, kubernetes: { context: 'two' } } }),
  );
  assert.equal(asked.length, 1, 'the source is the same');
  assert.equal(asked[0]?.()?.kubernetes?.context, 'two');
});

test('cutting ends open exchanges without waiting for the drain deadline', async () => {
  await using backend = await startBackend();
  await using terminator = await startTerminator({ routes: [proxyRoute('a.test', backend.url)] });
  await terminator.serve('file/a', 1, 'a.test');
  const open = assert.rejects(terminator.fetch('a.test', '/slow?ms=60000'));
  await until(() => backend.requests === 1, { what: 'the request at the backend' });
  const drained = terminator.supervisor.drain();
  terminator.supervisor.cut();
  await drained;
  await open;
  assert.deepEqual(terminator.supervisor.status().workers, []);
});

/** EAFNOSUPPORT, as libuv says it. */
const withoutIpv6 = (): number => -97;

test('every address on a machine without IPv6 is every address of IPv4', () => {
  const tried: string[] = [];
  const handle = {
    close: () => undefined,
    getsockname: (out: { port?: number }) => {
      out.port = 443;
      return 0;
    },
  };
  const socket = BoundSocket.bind('https', { host: '::', port: 443 }, (host, _port, family) => {
    tried.push(`${host} ${family}`);
    return family === 6 ? -97 : handle;
  });
  assert.deepEqual(tried, [':: 6', '0.0.0.0 4']);
  assert.equal(socket.url, 'https://0.0.0.0:443');
  assert.throws(() => BoundSocket.bind('https', { host: '::1', port: 443 }, withoutIpv6), {
    code: 'terminator.address-forbidden',
  });
});
