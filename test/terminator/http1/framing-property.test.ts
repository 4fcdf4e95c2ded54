import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import test from 'node:test';
import fc from 'fast-check';
import { pieces, requestArbitrary, type Meant } from './generated.ts';
import { connectTo, feed, front, MemorySocket, type Seen } from './served.ts';

interface Result {
  readonly seen: readonly Seen[];
  readonly statuses: readonly string[];
  readonly ended: boolean;
}

async function run(parts: readonly (string | Buffer)[]): Promise<Result> {
  const served = front();
  const socket = connectTo(served);
  await feed(socket, parts);
  const statuses = [...socket.sent.matchAll(/HTTP\/1\.1 (\d{3} [^]*?)\r\n\r\n/g)].map(([, head]) => head as string);
  // How much of a broken body was passed on before the mistake was seen depends on how the bytes came.
  for (const request of served.seen) if (!request.complete) request.body = '';
  const result = { seen: served.seen, statuses: statuses.map((head) => head.slice(0, 3)), ended: socket.writableEnded };
  socket.destroy();
  return result;
}

test('property: every well-formed request is read as what was meant, however its bytes are cut', async () => {
  const arbitrary = fc.tuple(
    fc.array(requestArbitrary(), { minLength: 1, maxLength: 4 }),
    fc.array(fc.nat(4_000), { maxLength: 8 }),
  );
  await fc.assert(
    fc.asyncProperty(arbitrary, async ([requests, at]) => {
      const text = requests.map((request) => request.text).join('');
      const { seen, statuses, ended } = await run(pieces(text, at));
      assert.deepEqual(
        statuses,
        requests.map(() => '200'),
      );
      assert.equal(ended, false);
      assert.deepEqual(seen.map(comparable), requests.map(expected));
    }),
    { numRuns: 300, seed: 5130 },
  );
});

test('requests that come byte by byte are read like those that come at once', async () => {
  const samples = fc.sample(fc.array(requestArbitrary(), { minLength: 2, maxLength: 2 }), { numRuns: 5, seed: 5131 });
  for (const requests of samples) {
    const text = requests.map((request) => request.text).join('');
    assert.deepEqual(await run(text.split('')), await run([text]));
  }
});

/** What mutations put in: whatever begins, ends or separates something. */
const pokes = '|\r|\n|\r\n|\r\n\r\n| |\t|:|,|;|\0|\x0b|\x7f|0|1|f|x|/|#|chunked'.split('|');
const inserts = [
  'Content-Length: 1\r\n',
  'Content-Length: 0\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: identity\r\n',
  'Transfer-Encoding : chunked\r\n',
  ' folded\r\n',
  'Host: b.test\r\n',
  'Connection: close\r\n',
  'X: \r',
];
const mutation = fc.record({
  at: fc.nat(600),
  remove: fc.nat(3),
  put: fc.oneof(fc.constantFrom(...pokes), fc.constantFrom(...inserts)),
});
const plainRequest = requestArbitrary({ plain: true });

test('property: a message with something wrong in it is read as another parser reads it, or refused; never (§5.13) differently', async () => {
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(plainRequest, { minLength: 1, maxLength: 2 }),
      fc.array(mutation, { maxLength: 2 }),
      fc.array(fc.nat(600), { maxLength: 3 }),
      async (requests, mutations, at) => {
        let text = requests.map((request) => request.text).join('');
        for (const { at: where, remove, put } of mutations) {
          const from = where % text.length;
          text = text.slice(0, from) + put + text.slice(from + remove);
        }
        const whole = await run([text]);
        assert.deepEqual(await run(pieces(text, at)), whole, 'cut into pieces');
        const ours = whole.seen.filter(({ complete }) => complete).map(comparable);
        // Either may refuse what the other takes; what both take has to be the same.
        const theirs = await nodeReads(text);
        const both = Math.min(ours.length, theirs.length);
        compared += both;
        assert.deepEqual(ours.slice(0, both).map(withoutTrailers), theirs.slice(0, both).map(withoutTrailers));
      },
    ),
    { numRuns: 1_500, seed: 5132 },
  );
  assert.ok(compared > 500, `only ${compared} requests were taken by both`);
});

test('property: bytes without any sense are never served, and never end anything but their connection', async () => {
  const noise = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc
      .array(fc.constantFrom(...pokes, ...inserts, 'GET', 'HTTP/1.1', 'POST / '), { maxLength: 40 })
      .map((parts) => Buffer.from(parts.join(''), 'latin1')),
  );
  await fc.assert(
    fc.asyncProperty(noise, async (bytes) => {
      const { seen, statuses } = await run([bytes]);
      assert.deepEqual(seen, []);
      assert.ok(statuses.length <= 1 && /^(?:[45]\d\d)?$/.test(statuses[0] ?? ''), String(statuses));
    }),
    { numRuns: 500, seed: 5133 },
  );
});

type Comparable = Pick<Seen, 'method' | 'target' | 'headers' | 'body' | 'trailers'>;

function comparable({ method, target, headers, body, trailers }: Seen): Comparable {
  return { method, target, headers, body, trailers };
}

function expected({ method, target, headers, body, trailers }: Meant): Comparable {
  return { method, target, headers: headers.flat(), body, trailers: trailers.flat() };
}

function withoutTrailers({ method, target, headers, body }: Comparable): Partial<Comparable> {
  return { method, target, headers, body };
}

/** What Node's own parser makes of it. */
async function nodeReads(text: string): Promise<Comparable[]> {
  const read: (Comparable & { complete: boolean })[] = [];
  const server = createServer({ insecureHTTPParser: false }, (request, response) => {
    const entry = {
      method: request.method ?? '',
      target: request.url ?? '',
      headers: request.rawHeaders,
      body: '',
      trailers: [],
      complete: false,
    };
    read.push(entry);
    request.setEncoding('latin1').on('data', (data: string) => (entry.body += data));
    request.on('error', () => undefined);
    request.on('end', () => {
      entry.complete = true;
      response.end('ok');
    });
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  const socket = new MemorySocket();
  server.emit('connection', socket);
  await feed(socket, [text]);
  socket.destroy();
  return read
    .filter(({ complete }) => complete)
    .map(({ method, target, headers, body, trailers }) => {
      return { method, target: originForm(target), headers, body, trailers };
    });
}

/** Ours tells the authority of an absolute target apart. */
function originForm(target: string): string {
  return target.replace(/^https?:\/\/[^/?]*/i, '').replace(/^(?!\/|\*)/, '/');
}
