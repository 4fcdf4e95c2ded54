import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import test from 'node:test';
import { readChain, type Bundle } from '../../../src/core/bundle.ts';
import { CertplaneError } from '../../../src/core/errors.ts';
import {
  formatRevision,
  type Acknowledgement,
  type CertificateItem,
  type ChallengeItem,
  type ServedReport,
} from '../../../src/core/feed.ts';
import type { SourceEvent } from '../../../src/core/ports/certificate-source.ts';
import type { Part } from '../../../src/core/ports/lifecycle.ts';
import { silentLog } from '../../../src/core/ports/log.ts';
import { systemClock } from '../../../src/core/system-clock.ts';
import { createFeedServer } from '../../../src/state/feed-server.ts';
import { createFeed } from '../../../src/state/feed.ts';
import { createTerminators } from '../../../src/state/terminators.ts';
import { createFeedSource } from '../../../src/terminator/source/feed-source.ts';
import { certificateSourceContract } from '../../contract/certificate-source.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { tempDir } from '../../support/tempdir.ts';
import { until } from '../../support/until.ts';

const signal = new AbortController().signal;

/** The real feed server on a socket, which can be stopped and started again with the same state. */
async function control(socketPath: string) {
  const store = new MemoryStore();
  const feed = createFeed({ store, log: silentLog });
  await feed.load(signal);
  const terminators = createTerminators({ feed, clock: systemClock, log: silentLog });
  const bundles = new Map<string, Bundle>();
  const material = async (versionId: string): Promise<Bundle> => {
    const bundle = bundles.get(versionId);
    if (bundle === undefined) throw new CertplaneError('store.not-found', 'There is no such version.');
    return bundle;
  };
  let server: Part | undefined;
  let number = 0;
  const start = async (): Promise<void> => {
    server = createFeedServer({ socketPath, feed, terminators, material, clock: systemClock, log: silentLog });
    await server.start(signal);
  };
  const stop = async (): Promise<void> => await server?.[Symbol.asyncDispose]();
  await start();
  return {
    feed,
    terminators,
    start,
    stop,
    put: async (name: string, bundle: Bundle): Promise<void> => {
      number += 1;
      const { names, notBefore, notAfter, serial, fingerprint256 } = readChain(bundle.chainPem);
      const versionId = `file/${name}#${number}`;
      bundles.set(versionId, bundle);
      const facts = { names, notBefore, notAfter, serial, fingerprint256 };
      const item: CertificateItem = { kind: 'certificate', certificateId: `file/${name}`, versionId, ...facts };
      await feed.publish(item, signal);
    },
    remove: async (name: string): Promise<void> => void (await feed.remove(`certificate/file/${name}`, signal)),
  };
}

certificateSourceContract('feed', async () => {
  const root = await tempDir();
  const socketPath = root.join('run/feed.sock');
  const { start, stop, put, remove } = await control(socketPath);
  return {
    source: createFeedSource({ socketPath, terminatorId: 'test', clock: systemClock, log: silentLog }),
    put,
    remove,
    breakPlace: stop,
    repairPlace: start,
    [Symbol.asyncDispose]: async () => {
      await stop();
      await root[Symbol.asyncDispose]();
    },
  };
});

function acknowledgement(revision: string): Acknowledgement {
  return { terminatorId: 'test', revision, workers: 2, refusals: [] };
}

function report(overrides: Partial<ServedReport>): ServedReport {
  const nothing = { problems: [], workers: [], listening: [] };
  return { terminatorId: 'test', complete: false, served: [], gone: [], ...nothing, ...overrides };
}

function served(certificateId: string): ServedReport['served'][number] {
  const facts = { serial: '01', fingerprint256: 'ff', notAfter: 1, since: 1, source: 'feed' };
  return { certificateId, versionId: `${certificateId}#1`, names: ['a.test'], ...facts };
}

test('acknowledgements and reports reach control, and everything reaches it anew after a restart', async () => {
  await using root = await tempDir();
  const socketPath = root.join('run/feed.sock');
  const plane = await control(socketPath);
  const source = createFeedSource({ socketPath, terminatorId: 'test', clock: systemClock, log: silentLog });
  const stop = new AbortController();
  const ended = (async () => {
    for await (const event of source.subscribe({ signal: stop.signal })) void event;
  })();
  // Said before the connection is there: kept for it.
  source.acknowledge(acknowledgement(formatRevision(plane.feed.revision())));
  source.report(report({ complete: true, served: [served('file/a'), served('file/b')] }));
  source.report(report({ served: [served('file/c')], gone: ['file/a'] }));
  const ids = (): string[] => ['file/a', 'file/b', 'file/c'].filter((id) => plane.terminators.servedBy(id).length > 0);
  await until(() => ids().join() === 'file/b,file/c');
  await until(() => plane.terminators.list()[0]?.acknowledged === formatRevision(plane.feed.revision()));
  await plane.stop();
  await until(() => plane.terminators.list()[0]?.connected === false);
  plane.terminators.served(report({ complete: true }));
  await plane.start();
  await until(() => ids().join() === 'file/b,file/c', { what: 'the report after the restart' });
  await until(() => plane.terminators.list()[0]?.acknowledged !== undefined);
  stop.abort();
  await ended;
  await plane.stop();
});

test('never (§5.14): what one certificate or problem has too much of keeps nothing else from control', async () => {
  await using root = await tempDir();
  const socketPath = root.join('run/feed.sock');
  const plane = await control(socketPath);
  const source = createFeedSource({ socketPath, terminatorId: 'test', clock: systemClock, log: silentLog });
  const stop = new AbortController();
  const ended = (async () => {
    for await (const event of source.subscribe({ signal: stop.signal })) void event;
  })();
  const long = 'x'.repeat(3_000);
  const revision = formatRevision(plane.feed.revision());
  const refusal = { key: 'certificate/file/a', code: 'certificate.name-missing', message: long } as const;
  source.acknowledge({ ...acknowledgement(revision), refusals: [refusal] });
  const odd = { names: Array.from({ length: 1_200 }, (_, i) => `n${i}.test`), serial: 'F'.repeat(400), source: long };
  const problem = { code: 'certificate.worse', message: 'It is worse.', since: 1 } as const;
  source.report(
    report({
      complete: true,
      served: [{ ...served('seen/secrets/shop/odd'), ...odd }, served('file/a')],
      problems: [{ ...problem, message: long, subject: long }, ...Array.from({ length: 10_100 }, () => problem)],
    }),
  );
  await until(() => plane.terminators.servedBy('file/a').length > 0, { what: 'the report with the odd one' });
  // As a terminator of another version might: it is not repeated for ever.
  source.report(report({ served: [{ ...served('file/b'), since: 0.5 }] }));
  source.report(report({ served: [served('file/c')] }));
  await until(() => plane.terminators.servedBy('file/c').length > 0, { what: 'the report behind the odd ones' });
  assert.equal(plane.terminators.servedBy('seen/secrets/shop/odd').length, 1);
  assert.equal(plane.terminators.list()[0]?.acknowledged, revision);
  stop.abort();
  await ended;
  await plane.stop();
});

function challenge(token: string): ChallengeItem {
  return { kind: 'challenge', type: 'http-01', token, identifier: 'a.test', keyAuthorization: token };
}

test('after a reconnect it goes on from what was acknowledged, without a snapshot', async () => {
  await using root = await tempDir();
  const socketPath = root.join('run/feed.sock');
  const plane = await control(socketPath);
  const source = createFeedSource({ socketPath, terminatorId: 'test', clock: systemClock, log: silentLog });
  const stop = new AbortController();
  const events: SourceEvent[] = [];
  const ended = (async () => {
    for await (const event of source.subscribe({ signal: stop.signal })) events.push(event);
  })();
  const first = await plane.feed.publish(challenge('one'), signal);
  await until(() => events.some((event) => event.type !== 'trouble' && event.revision.sequence >= first.sequence));
  source.acknowledge(acknowledgement(formatRevision(first)));
  await plane.feed.publish(challenge('two'), signal);
  await until(() => JSON.stringify(events).includes('"two"'));
  await plane.stop();
  await plane.feed.publish(challenge('three'), signal);
  await plane.start();
  await until(() => JSON.stringify(events).includes('"three"'));
  const types = events
    .filter(({ type }) => type !== 'trouble')
    .map((event) => (event.type === 'item' && event.item.kind === 'challenge' ? event.item.token : event.type));
  // "two" had been read and not acknowledged, so it comes again.
  assert.deepEqual(types.slice(types.indexOf('two')), ['two', 'two', 'three']);
  assert.equal(types.filter((type) => type === 'snapshot').length, 1);
  stop.abort();
  await ended;
  await plane.stop();
});

/** A server that answers /feed as the test says. */
async function fakeControl(
  socketPath: string,
  feed: (response: ServerResponse, connection: number) => void,
): Promise<Server> {
  let connections = 0;
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/feed') === true) feed(response, (connections += 1));
    else response.writeHead(204).end();
  });
  server.listen(socketPath);
  await once(server, 'listening');
  return server;
}

test('a feed that falls silent is given up after 30 s and opened anew', async () => {
  await using root = await tempDir();
  const socketPath = root.join('feed.sock');
  const opened: ServerResponse[] = [];
  const server = await fakeControl(socketPath, (response) => {
    opened.push(response);
    response.writeHead(200);
    response.write('{"type":"ping","revision":"e.1"}\n');
  });
  const clock = new ManualClock();
  const source = createFeedSource({ socketPath, terminatorId: 'test', clock, log: silentLog });
  const stop = new AbortController();
  const events: SourceEvent[] = [];
  const ended = (async () => {
    for await (const event of source.subscribe({ signal: stop.signal })) events.push(event);
  })();
  await until(() => opened.length === 1 && clock.pending.length > 0);
  opened[0]?.write('{"type":"item","revision":"e.2","item":{"kind":"challenge","token":"t"}}\n');
  await until(() => events.length === 1);
  await clock.advance(29_000);
  assert.equal(events.length, 1);
  await clock.advance(2_000);
  await until(async () => {
    await clock.advance(200);
    return opened.length === 2;
  });
  assert.deepEqual(events.map(({ type }) => type).slice(0, 2), ['item', 'trouble']);
  stop.abort();
  await ended;
  server.closeAllConnections();
  server.close();
});

test('a connection that is cut is no trouble when the next one is there, unless that happens again and again', async () => {
  await using root = await tempDir();
  const socketPath = root.join('feed.sock');
  const opened: ServerResponse[] = [];
  const server = await fakeControl(socketPath, (response) => {
    opened.push(response);
    response.writeHead(200);
    response.write('{"type":"ping","revision":"e.1"}\n');
    response.write(`{"type":"item","revision":"e.2","item":{"kind":"challenge","token":"${opened.length}"}}\n`);
  });
  const clock = new ManualClock();
  const source = createFeedSource({ socketPath, terminatorId: 'test', clock, log: silentLog });
  const stop = new AbortController();
  const events: SourceEvent[] = [];
  const ended = (async () => {
    for await (const event of source.subscribe({ signal: stop.signal })) events.push(event);
  })();
  const items = (): number => events.filter(({ type }) => type === 'item').length;
  const cut = async (): Promise<void> => {
    const before = opened.length;
    await until(() => items() === before, { what: 'what the connection brought' });
    opened.at(-1)?.socket?.destroy();
    await until(async () => {
      await clock.advance(100);
      return items() > before;
    });
  };
  const troubles = (): number =>
    events.filter((event) => event.type === 'trouble' && event.problem !== undefined).length;
  await until(() => opened.length === 1);
  await cut();
  assert.equal(troubles(), 0);
  await cut();
  const trouble = events.find((event) => event.type === 'trouble');
  assert.deepEqual(trouble?.problem, {
    code: 'terminator.control-unreachable',
    message: 'The control process cut the connection.',
  });
  stop.abort();
  await ended;
  server.closeAllConnections();
  server.close();
});

test('nonsense from the socket is trouble, not an error, and a torn snapshot is none', async () => {
  await using root = await tempDir();
  const socketPath = root.join('feed.sock');
  const item = '{"type":"item","revision":"e.5","item":{"kind":"challenge","token":"t"}}\n';
  const server = await fakeControl(socketPath, (response, connection) => {
    response.writeHead(connection === 1 ? 503 : 200);
    if (connection === 2) response.end('this is no JSON\n');
    else if (connection === 3) response.end('{"type":"ping","revision":"no revision"}\n');
    else if (connection === 4) response.end(`{"type":"snapshot-begin","revision":"e.5"}\n${item}`);
    else if (connection === 5)
      response.write(`{"type":"snapshot-begin","revision":"e.5"}\n${item}{"type":"snapshot-end","revision":"e.5"}\n`);
    else response.end();
  });
  const source = createFeedSource({ socketPath, terminatorId: 'test', clock: systemClock, log: silentLog });
  const stop = new AbortController();
  const events: SourceEvent[] = [];
  const ended = (async () => {
    for await (const event of source.subscribe({ signal: stop.signal })) events.push(event);
  })();
  await until(() => events.some(({ type }) => type === 'snapshot'));
  assert.equal(events.filter(({ type }) => type === 'snapshot').length, 1);
  const trouble = events.find((event) => event.type === 'trouble');
  assert.equal(trouble?.problem?.code, 'terminator.control-unreachable');
  stop.abort();
  await ended;
  server.closeAllConnections();
  server.close();
});

test('never (§5.9): material that is not a bundle is refused without quoting it', async () => {
  await using root = await tempDir();
  const socketPath = root.join('feed.sock');
  const server = createServer((_request, response) => void response.writeHead(200).end('{"keyPem":"SECRET"}'));
  server.listen(socketPath);
  await once(server, 'listening');
  const source = createFeedSource({ socketPath, terminatorId: 'test', clock: systemClock, log: silentLog });
  await assert.rejects(source.material('file/a#1', signal), (error: Error) => {
    assert.doesNotMatch(`${error.message} ${String(error.cause)}`, /SECRET/);
    return (error as CertplaneError).code === 'terminator.source-unreadable';
  });
  server.closeAllConnections();
  server.close();
});

test('while both start, a control process that is not there yet is no trouble; after five seconds it is', async () => {
  await using root = await tempDir();
  const clock = new ManualClock();
  const options = { socketPath: root.join('feed.sock'), terminatorId: 'test', clock, log: silentLog };
  const events: SourceEvent[] = [];
  const stop = new AbortController();
  const ended = (async () => {
    for await (const event of createFeedSource(options).subscribe({ signal: stop.signal })) events.push(event);
  })();
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 100) {
      await until(() => clock.pending.length > 0);
      await clock.advance(100);
    }
  };
  await pass(4_500);
  assert.equal(events.length, 0);
  await pass(5_000);
  assert.deepEqual(
    events.map((event) => event.type === 'trouble' && event.problem?.code),
    ['terminator.control-unreachable'],
  );
  stop.abort();
  await ended;
});
