/** gRPC through the terminator: a grpc-js client, a grpc-js server as the backend. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import grpc, { type ServiceError } from '@grpc/grpc-js';
import { defaultTimeouts, type TerminatorTimeouts } from '../../src/core/terminator.ts';
import { backendAt, proxyRoute, startTerminator, type TestTerminator } from './support/harness.ts';

const asIs = (value: Buffer): Buffer => value;
const method = (path: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/echo.Echo/${path}`,
  requestStream,
  responseStream,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
});
const service = {
  Unary: method('Unary', false, false),
  Refuse: method('Refuse', false, false),
  Count: method('Count', false, true),
  Chat: method('Chat', true, true),
  Sum: method('Sum', true, false),
};

interface Parts extends AsyncDisposable {
  readonly terminator: TestTerminator;
  readonly client: grpc.Client;
}

async function start(timeouts: Partial<TerminatorTimeouts> = {}): Promise<Parts> {
  await using stack = new AsyncDisposableStack();
  const server = new grpc.Server({ 'grpc.max_receive_message_length': -1 });
  server.addService(service, {
    Unary: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
      const trailers = new grpc.Metadata();
      trailers.set('x-trailer', 'at the end');
      trailers.set('x-detail-bin', Buffer.of(0, 255, 10));
      const head = new grpc.Metadata();
      for (const value of call.metadata.get('x-sent')) head.set('x-got', value);
      call.sendMetadata(head);
      done(null, call.request, trailers);
    },
    Refuse: (_call: unknown, done: grpc.sendUnaryData<Buffer>) => {
      const metadata = new grpc.Metadata();
      metadata.set('x-why', 'because');
      done({ code: grpc.status.NOT_FOUND, details: 'no such thing: ü', metadata });
    },
    Count: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
      for (let i = 0; i < 200; i += 1) call.write(Buffer.alloc(5_000, i));
      call.emit('error', { code: grpc.status.DATA_LOSS, details: 'after 200' });
    },
    Chat: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
      call.on('data', (message: Buffer) => call.write(message));
      call.on('end', () => call.end());
    },
    Sum: (call: grpc.ServerReadableStream<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
      let bytes = 0;
      call.on('data', (message: Buffer) => (bytes += message.length));
      call.on('end', () => done(null, Buffer.from(String(bytes))));
    },
  });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) =>
    error === null ? resolve(port) : reject(error),
  );
  const port = await promise;
  stack.defer(() => server.forceShutdown());
  const url = `h2c://127.0.0.1:${port}`;
  const terminator = stack.use(
    await startTerminator({
      routes: [proxyRoute('a.test', url)],
      settings: {
        timeouts: { ...defaultTimeouts, drainMs: 2_000, ...timeouts },
        backends: { [url]: backendAt(url, { timeouts: { connectMs: 5_000, firstByteMs: 0, idleMs: 500 } }) },
      },
    }),
  );
  await terminator.serve('file/a', 1, 'a.test');
  const credentials = grpc.credentials.createSsl(Buffer.from(terminator.ca.certPem));
  const client = new grpc.Client(`127.0.0.1:${terminator.httpsPort}`, credentials, {
    'grpc.ssl_target_name_override': 'a.test',
    'grpc.default_authority': 'a.test',
    'grpc.max_receive_message_length': -1,
  });
  stack.defer(() => client.close());
  const parts = stack.move();
  return { terminator, client, [Symbol.asyncDispose]: async () => await parts.disposeAsync() };
}

test('unary calls with metadata, binary trailers and messages larger than any window', async () => {
  await using parts = await start();
  for (const size of [0, 10, 3_000_000]) {
    const message = Buffer.alloc(size, 'm');
    const metadata = new grpc.Metadata();
    metadata.set('x-sent', `size ${size}`);
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const call = parts.client.makeUnaryRequest(service.Unary.path, asIs, asIs, message, metadata, (error, answer) =>
      error === null ? resolve(answer as Buffer) : reject(error),
    );
    let got: unknown;
    call.on('metadata', (head: grpc.Metadata) => (got = head.get('x-got')[0]));
    const ended = once(call, 'status') as Promise<[grpc.StatusObject]>;
    assert.ok(message.equals(await promise));
    const [{ code, metadata: trailers }] = await ended;
    assert.equal(code, grpc.status.OK);
    assert.equal(got, `size ${size}`);
    assert.deepEqual(trailers.get('x-trailer'), ['at the end']);
    assert.deepEqual(trailers.get('x-detail-bin'), [Buffer.of(0, 255, 10)]);
  }
});

test('an error is its status, its message and its metadata, in trailers alone', async () => {
  await using parts = await start();
  const error = await new Promise<ServiceError | null>((resolve) => {
    parts.client.makeUnaryRequest(service.Refuse.path, asIs, asIs, Buffer.of(1), resolve);
  });
  assert.deepEqual([error?.code, error?.details], [grpc.status.NOT_FOUND, 'no such thing: ü']);
  assert.deepEqual(error?.metadata.get('x-why'), ['because']);
  const unknown = await new Promise<ServiceError | null>((resolve) => {
    parts.client.makeUnaryRequest('/echo.Echo/Nothing', asIs, asIs, Buffer.of(1), resolve);
  });
  assert.equal(unknown?.code, grpc.status.UNIMPLEMENTED);
});

test('a stream of answers that ends in an error gives all of them, then the error', async () => {
  await using parts = await start();
  const call = parts.client.makeServerStreamRequest(service.Count.path, asIs, asIs, Buffer.of(1));
  const got: number[] = [];
  call.on('data', (message: Buffer) => got.push(message[0] as number));
  const [error] = (await once(call, 'error')) as [ServiceError];
  assert.deepEqual([error.code, error.details], [grpc.status.DATA_LOSS, 'after 200']);
  assert.deepEqual(
    got,
    Array.from({ length: 200 }, (_, i) => i),
  );
});

test('a stream of requests, and a conversation that goes back and forth while both sides are open', async () => {
  await using parts = await start();
  const sum = await new Promise<string>((resolve, reject) => {
    const call = parts.client.makeClientStreamRequest(service.Sum.path, asIs, asIs, (error, answer) =>
      error === null ? resolve(String(answer)) : reject(error),
    );
    for (let i = 0; i < 100; i += 1) call.write(Buffer.alloc(20_000));
    call.end();
  });
  assert.equal(sum, '2000000');
  const chat = parts.client.makeBidiStreamRequest(service.Chat.path, asIs, asIs);
  for (let i = 0; i < 20; i += 1) {
    chat.write(Buffer.from(`message ${i}`));
    const [answer] = (await once(chat, 'data')) as [Buffer];
    assert.equal(answer.toString(), `message ${i}`);
  }
  chat.end();
  chat.resume();
  const [{ code }] = (await once(chat, 'status')) as [grpc.StatusObject];
  assert.equal(code, grpc.status.OK);
});

test('a call that the client cancels, and one whose deadline passes, end there and leave the connection alone', async () => {
  await using parts = await start();
  const chat = parts.client.makeBidiStreamRequest(service.Chat.path, asIs, asIs);
  chat.on('error', () => undefined);
  chat.write(Buffer.from('x'));
  await once(chat, 'data');
  const cancelled = new Promise<grpc.StatusObject>((resolve) => void chat.once('status', resolve));
  chat.cancel();
  assert.equal((await cancelled).code, grpc.status.CANCELLED);
  const error = await new Promise<ServiceError | null>((resolve) => {
    const options = { deadline: Date.now() + 50 };
    const call = parts.client.makeClientStreamRequest(
      service.Sum.path,
      asIs,
      asIs,
      new grpc.Metadata(),
      options,
      resolve,
    );
    call.write(Buffer.of(1));
  });
  assert.equal(error?.code, grpc.status.DEADLINE_EXCEEDED);
  const answer = await new Promise((resolve, reject) => {
    parts.client.makeUnaryRequest(service.Unary.path, asIs, asIs, Buffer.from('on'), (failed, value) =>
      failed === null ? resolve(String(value)) : reject(failed),
    );
  });
  assert.equal(answer, 'on');
});

test('a conversation in which nobody speaks for longer than a body or a backend may be silent goes on', async () => {
  await using parts = await start({ bodyMs: 500 });
  const chat = parts.client.makeBidiStreamRequest(service.Chat.path, asIs, asIs);
  for (const message of ['before', 'after']) {
    chat.write(Buffer.from(message));
    const [answer] = (await once(chat, 'data')) as [Buffer];
    assert.equal(answer.toString(), message);
    if (message === 'before') await delay(1_500);
  }
  chat.end();
  chat.resume();
  const [{ code }] = (await once(chat, 'status')) as [grpc.StatusObject];
  assert.equal(code, grpc.status.OK);
});
