import assert from 'node:assert/strict';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { spawn } from 'node:child_process';
import test from 'node:test';
import { CertplaneError, hasCode } from '../../src/core/errors.ts';
import type { CertificateItem, FeedLine } from '../../src/core/feed.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import type { Part } from '../../src/core/ports/lifecycle.ts';
import { createFeedServer } from '../../src/state/feed-server.ts';
import { stallMs } from '../../src/state/feed-stream.ts';
import { createFeed, type Feed } from '../../src/state/feed.ts';
import { createTerminators, type Terminators } from '../../src/state/terminators.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { tempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';

const signal = new AbortController().signal;

interface Served extends AsyncDisposable {
  readonly feed: Feed;
  readonly terminators: Terminators;
  readonly clock: ManualClock;
  readonly socketPath: string;
  readonly server: Part;
}

async function material(versionId: string): Promise<{ chainPem: string; keyPem: string }> {
  if (versionId === 'broken#1') throw new CertplaneError('store.key-wrong', 'The key is another one.');
  if (versionId !== 'route/_wildcard.a#1') throw new CertplaneError('store.not-found', 'There is none.');
  return await Promise.resolve({ chainPem: 'chain', keyPem: 'key' });
}

async function serve(): Promise<Served> {
  const directory = await tempDir();
  const clock = new ManualClock();
  const feed = createFeed({ store: new MemoryStore(), log: silentLog });
  await feed.load(signal);
  const terminators = createTerminators({ feed, clock, log: silentLog });
  const socketPath = directory.join('run', 'feed.sock');
  const server = createFeedServer({ socketPath, feed, terminators, material, clock, log: silentLog });
  await server.start(signal);
  const dispose = async (): Promise<void> => {
    await server[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  };
  return { feed, terminators, clock, socketPath, server, [Symbol.asyncDispose]: dispose };
}

function item(id: string): CertificateItem {
  const facts = { names: [`${id}.example.com`], notBefore: 0, notAfter: 1, serial: '01', fingerprint256: 'ab' };
  return { kind: 'certificate', certificateId: id, versionId: `${id}#1`, ...facts };
}

interface Answer {
  readonly status: number;
  readonly type: string | undefined;
  readonly body: string;
}

async function ask(socketPath: string, method: string, path: string, body?: string): Promise<Answer> {
  const sent = request({ socketPath, method, path, headers: { 'certplane-terminator': 'one' } });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const text = (await response.toArray()).join('');
  return { status: response.statusCode ?? 0, type: response.headers['content-type'], body: text };
}

/** A subscriber that reads line by line. */
class Stream implements AsyncDisposable {
  readonly lines: FeedLine[] = [];
  readonly response: IncomingMessage;
  readonly ended: Promise<void>;

  private constructor(response: IncomingMessage) {
    this.response = response;
    const reader = createInterface({ input: response });
    reader.on('line', (line) => this.lines.push(JSON.parse(line) as FeedLine));
    reader.on('error', () => undefined);
    response.on('error', () => undefined);
    const { promise, resolve } = Promise.withResolvers<void>();
    response.once('close', resolve);
    this.ended = promise;
  }

  static async open(socketPath: string, since?: string, session?: string): Promise<Stream> {
    const path = since === undefined ? '/feed' : `/feed?since=${since}`;
    const named = session === undefined ? {} : { 'certplane-session': session };
    const sent = request({ socketPath, path, headers: { 'certplane-terminator': 'one', ...named } });
    sent.end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    assert.equal(response.statusCode, 200);
    assert.equal(response.headers['content-type'], 'application/x-ndjson');
    return new Stream(response);
  }

  async count(lines: number): Promise<void> {
    await until(() => this.lines.length >= lines, { what: `${lines} lines` });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.response.destroy();
    await this.ended;
  }
}

test('a stream starts with a snapshot, goes on with changes, and resumes without one', async () => {
  await using one = await serve();
  const { feed, socketPath } = one;
  await feed.publish(item('a'), signal);
  let last: string;
  {
    await using stream = await Stream.open(socketPath);
    await stream.count(3);
    await feed.publish(item('b'), signal);
    await feed.remove('certificate/a', signal);
    await stream.count(5);
    const types = stream.lines.map(({ type }) => type);
    assert.deepEqual(types, ['snapshot-begin', 'item', 'snapshot-end', 'item', 'removed']);
    last = stream.lines[3]?.revision ?? '';
  }
  await feed.publish(item('c'), signal);
  await using again = await Stream.open(socketPath, last);
  await again.count(2);
  assert.deepEqual(
    again.lines.map((line) => (line.type === 'item' ? line.item : line.type)),
    ['removed', item('c')],
  );
});

test('a terminator is connected while its stream is, and has what it resumes from', async () => {
  await using one = await serve();
  const { feed, terminators, socketPath } = one;
  const { epoch, sequence } = await feed.publish(item('a'), signal);
  {
    await using stream = await Stream.open(socketPath, `${epoch}.${sequence}`);
    await until(() => terminators.list()[0]?.connected === true);
    assert.equal(terminators.list()[0]?.acknowledged, `${epoch}.${sequence}`);
    assert.deepEqual(stream.lines, [], 'nothing was missed');
  }
  await until(() => terminators.list()[0]?.connected === false);
  await using fresh = await Stream.open(socketPath, 'otherEpoch.3');
  await fresh.count(3);
  assert.equal(terminators.list()[0]?.acknowledged, undefined);
});

test('a quiet stream carries a ping every 10 s', async () => {
  await using one = await serve();
  await using stream = await Stream.open(one.socketPath);
  await stream.count(2);
  await until(() => one.clock.pending.length > 0);
  await one.clock.advance(10_000);
  await stream.count(3);
  assert.deepEqual(stream.lines[2], { type: 'ping', revision: stream.lines[1]?.revision });
});

test('10,000 items reach a subscriber whole, and one that takes nothing is cut off and resumes', async () => {
  await using one = await serve();
  const { feed, socketPath, clock, terminators } = one;
  await Promise.all(Array.from({ length: 10_000 }, async (_, i) => await feed.publish(item(`c${i}`), signal)));
  {
    await using stream = await Stream.open(socketPath);
    await stream.count(10_002);
    assert.equal(stream.lines.at(-1)?.type, 'snapshot-end');
  }
  const slow = connect(socketPath);
  slow.write('GET /feed HTTP/1.1\r\nhost: feed\r\ncertplane-terminator: slow\r\n\r\n');
  slow.pause();
  await until(() => terminators.list().some(({ id, connected }) => id === 'slow' && connected));
  const stalled = (): boolean => clock.pending.some((at) => at === clock.now() + stallMs);
  await until(stalled, { what: 'the server to wait for the subscriber' });
  await clock.advance(stallMs);
  await until(() => terminators.list().some(({ id, connected }) => id === 'slow' && !connected));
  slow.destroy();
});

test('material is given by version id, and an unknown version is a problem with its code', async () => {
  await using one = await serve();
  const found = await ask(one.socketPath, 'GET', `/material/${encodeURIComponent('route/_wildcard.a#1')}`);
  assert.deepEqual(found, { status: 200, type: 'application/json', body: '{"chainPem":"chain","keyPem":"key"}' });
  const missing = await ask(one.socketPath, 'GET', '/material/other');
  assert.equal(missing.status, 404);
  assert.equal(missing.type, 'application/problem+json');
  assert.equal((JSON.parse(missing.body) as { code: string }).code, 'store.not-found');
  const broken = await ask(one.socketPath, 'GET', `/material/${encodeURIComponent('broken#1')}`);
  assert.equal(broken.status, 503);
  assert.equal((JSON.parse(broken.body) as { code: string }).code, 'store.key-wrong');
});

test('an acknowledgement counts for the process that the stream names, and for no other', async () => {
  await using one = await serve();
  const { terminators, socketPath } = one;
  await using stream = await Stream.open(socketPath, undefined, 'new');
  await stream.count(2);
  const revision = stream.lines.at(-1)?.revision ?? '';
  const say = async (session: string): Promise<void> => {
    const body = JSON.stringify({ terminatorId: 'one', session, revision, workers: 2, refusals: [] });
    assert.equal((await ask(socketPath, 'POST', '/acknowledge', body)).status, 204);
  };
  await say('old');
  assert.equal(terminators.list()[0]?.acknowledged, undefined);
  await say('new');
  assert.equal(terminators.list()[0]?.acknowledged, revision);
});

test('acknowledgements and reports are taken, and what has another form is refused', async () => {
  await using one = await serve();
  const { socketPath, terminators } = one;
  const good = { terminatorId: 'one', revision: 'e.1', workers: 2, refusals: [] };
  terminators.connected('one');
  assert.equal((await ask(socketPath, 'POST', '/acknowledge', JSON.stringify(good))).status, 204);
  assert.equal(terminators.list()[0]?.acknowledged, 'e.1');
  const report = {
    terminatorId: 'one',
    complete: true,
    served: [],
    gone: [],
    problems: [{ code: 'terminator.worker-failed', message: 'It died.', since: 1 }],
    workers: [{ pid: 1, startedAt: 2, connections: 3 }],
    listening: ['127.0.0.1:8443'],
    backends: [{ backend: 'app', endpoint: '10.0.0.2:80', state: 'unresolved', open: 0, requests: 1 }],
  };
  assert.equal((await ask(socketPath, 'POST', '/served', JSON.stringify(report))).status, 204);
  assert.deepEqual(terminators.list()[0]?.workers, report.workers);
  assert.deepEqual(terminators.list()[0]?.backends, report.backends);
  const bad: readonly [string, string, unknown][] = [
    ['POST', '/acknowledge', { ...good, revision: 'nonsense' }],
    ['POST', '/acknowledge', { ...good, refusals: [{ key: 'k', code: 'no-such-code', message: '' }] }],
    ['POST', '/acknowledge', { ...good, terminatorId: 'a\nb' }],
    ['POST', '/served', { ...report, workers: [{ pid: -1 }] }],
    ['POST', '/served', { ...report, backends: [{ ...report.backends[0], state: 'tired' }] }],
    ['POST', '/served', 'text'],
    ['GET', '/feed?since=1', undefined],
    ['GET', '/material/%ff', undefined],
  ];
  for (const [method, path, body] of bad) {
    const answer = await ask(socketPath, method, path, body === undefined ? undefined : JSON.stringify(body));
    assert.equal(answer.status, 400, `${path} ${JSON.stringify(body)}`);
    assert.equal((JSON.parse(answer.body) as { code: string }).code, 'api.invalid-request');
  }
  assert.equal((await ask(socketPath, 'POST', '/acknowledge', '{ half')).status, 400);
  assert.equal((await ask(socketPath, 'DELETE', '/feed')).status, 404);
  assert.equal(terminators.list().length, 1);
});

test('a body without end is refused, not kept', async () => {
  await using one = await serve();
  const socket = connect(one.socketPath);
  socket.setMaxListeners(100);
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  socket.once('close', () => resolve());
  socket.on('error', () => undefined); // it is closed under our writes
  socket.resume();
  socket.write('POST /served HTTP/1.1\r\nhost: feed\r\ntransfer-encoding: chunked\r\n\r\n');
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  let sent = 0;
  while (sent < 200 && !socket.destroyed) {
    sent += 1;
    const { promise: drained, resolve: drain } = Promise.withResolvers<void>();
    socket.once('drain', drain);
    if (socket.write(`${chunk.length.toString(16)}\r\n${chunk.toString()}\r\n`)) drain();
    await Promise.race([drained, closed]);
  }
  await closed;
  assert.ok(sent < 100, `it took ${sent} MiB`);
  assert.deepEqual(one.terminators.list(), []);
  assert.equal((await ask(one.socketPath, 'GET', '/none')).status, 404, 'others are served on');
});

test('never (§5.9): the socket is 0600 in a directory 0700, also where the directory was open before', async () => {
  await using directory = await tempDir();
  const socketPath = directory.join('run', 'feed.sock');
  await mkdir(dirname(socketPath));
  await chmod(dirname(socketPath), 0o755);
  await using one = await serve();
  await using server = createFeedServer({ ...partsOf(one), socketPath });
  await server.start(signal);
  assert.equal(statSync(socketPath).mode & 0o777, 0o600);
  assert.equal(statSync(dirname(socketPath)).mode & 0o777, 0o700);
});

test('a socket that a dead process left is replaced; a live one is refused, as is another file', async () => {
  await using one = await serve();
  const second = createFeedServer({ ...partsOf(one), socketPath: one.socketPath });
  await assert.rejects(second.start(signal), (error) => hasCode(error, 'store.locked'));
  await second[Symbol.asyncDispose]();
  await using stream = await Stream.open(one.socketPath);
  await stream.count(2);

  await using directory = await tempDir();
  const dead = directory.join('dead.sock');
  const program = `require('net').createServer().listen(${JSON.stringify(dead)}, () => console.log('up'))`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.ok(statSync(dead).isSocket(), 'the dead process left its socket');
  await using third = createFeedServer({ ...partsOf(one), socketPath: dead });
  await third.start(signal);
  await using other = await Stream.open(dead);
  await other.count(2);

  const file = directory.join('file');
  await writeFile(file, 'precious');
  const fourth = createFeedServer({ ...partsOf(one), socketPath: file });
  await assert.rejects(fourth.start(signal), (error) => hasCode(error, 'store.unavailable'));
  const long = createFeedServer({ ...partsOf(one), socketPath: directory.join('x'.repeat(120)) });
  await assert.rejects(long.start(signal), (error) => hasCode(error, 'store.unavailable'));
});

test('never (§5.10): stopping ends streams and idle connections at once, twice too', async () => {
  await using one = await serve();
  const stream = await Stream.open(one.socketPath);
  await stream.count(2);
  const idle: Socket = connect(one.socketPath);
  await once(idle, 'connect');
  const closed = once(idle, 'close');
  await Promise.all([one.server[Symbol.asyncDispose](), one.server[Symbol.asyncDispose]()]);
  await Promise.all([stream.ended, closed]);
  assert.deepEqual(one.clock.pending, []);
  assert.equal(one.terminators.list()[0]?.connected, false);
  const taken = createServer().listen(one.socketPath);
  await once(taken, 'listening');
  taken.close();
});

test('the signal given to start ends it as well', async () => {
  await using one = await serve();
  await using directory = await tempDir();
  const socketPath = directory.join('feed.sock');
  const stop = new AbortController();
  await using server = createFeedServer({ ...partsOf(one), socketPath });
  await server.start(stop.signal);
  const stream = await Stream.open(socketPath);
  stop.abort();
  await stream.ended;
  await assert.rejects(ask(socketPath, 'GET', '/feed'));
});

function partsOf({ feed, terminators, clock }: Served): Omit<Parameters<typeof createFeedServer>[0], 'socketPath'> {
  return { feed, terminators, clock, material, log: silentLog };
}
