/** Ends of answers as HTTP/2 backends send them, frame by frame. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { Route } from '../../../src/core/route.ts';
import { proxyRoute, startTerminator, type TestTerminator } from '../support/harness.ts';
import { rawBackend, type RawBackend } from '../support/raw.ts';

const [data, headers, rstStream, settings] = [0, 1, 3, 4];
const [endStream, endHeaders] = [1, 4];
const noError = Buffer.alloc(4);

function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** `:status: 200`, and a Content-Length where there is one (RFC 7541 appendix A: 8 and 28). */
function head(length?: number): Buffer {
  const digits = String(length);
  const field = length === undefined ? [] : [Buffer.from([0x0f, 0x0d, digits.length]), Buffer.from(digits)];
  return frame(headers, endHeaders, 1, Buffer.concat([Buffer.from([0x88]), ...field]));
}

type Ending = readonly [what: string, ...frames: readonly Buffer[]];
const hello = Buffer.from('hello');
const complete: readonly Ending[] = [
  ['ends with END_STREAM', head(), frame(data, endStream, 1, hello)],
  [
    'is as long as it says, and whose stream is reset without an error behind it,',
    head(5),
    frame(data, 0, 1, hello),
    frame(rstStream, 0, 1, noError),
  ],
];
const cut: readonly Ending[] = [
  ['without a length', head(), frame(data, 0, 1, hello), frame(rstStream, 0, 1, noError)],
  ['shorter than it says', head(6), frame(data, 0, 1, hello), frame(rstStream, 0, 1, noError)],
  ['shorter than it says, with END_STREAM', head(6), frame(data, endStream, 1, hello)],
];
const nameOf = (index: number): string => `e${index}.test`;

suite('answers of HTTP/2 backends', () => {
  const stack = new AsyncDisposableStack();
  let terminator: TestTerminator;

  before(async () => {
    const routes: Route[] = [];
    for (const [index, [, ...frames]] of [...complete, ...cut].entries()) {
      const backend = stack.use(await backendThatSends(frames));
      routes.push(proxyRoute(nameOf(index), backend.url.replace('http:', 'h2c:')));
    }
    terminator = stack.use(await startTerminator({ routes, settings: { workers: 1 } }));
    await terminator.serve('file/all', 1, { dnsNames: routes.flatMap(({ hosts }) => hosts) });
  });
  after(async () => await stack.disposeAsync());

  for (const [index, [what]] of complete.entries()) {
    test(`an answer that ${what} is complete`, async () => {
      const { status, body } = await terminator.fetch(nameOf(index), '/');
      assert.deepEqual([status, body], [200, 'hello']);
    });
  }

  for (const [index, [what]] of cut.entries()) {
    test(`never: an answer ${what} that breaks off is shown as complete`, async () => {
      await assert.rejects(terminator.fetch(nameOf(complete.length + index), '/'), { code: 'ECONNRESET' });
    });
  }
});

/** Sends these behind the head of its first request. */
async function backendThatSends(frames: readonly Buffer[]): Promise<RawBackend> {
  return await rawBackend((socket) => {
    socket.write(frame(settings, 0, 0));
    let begun = false;
    socket.on('data', (bytes: Buffer) => {
      // Its HEADERS come behind the preface and the SETTINGS, or later.
      if (begun || !hasHeaders(bytes)) return;
      begun = true;
      socket.write(Buffer.concat(frames));
    });
  });
}

function hasHeaders(bytes: Buffer): boolean {
  const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
  let at = bytes.subarray(0, preface.length).toString('latin1') === preface ? preface.length : 0;
  for (; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) if (bytes[at + 3] === headers) return true;
  return false;
}
