import assert from 'node:assert/strict';
import test from 'node:test';
import type { Outbound, Outcome } from '../../../src/terminator/proxy/exchange.ts';
import { connectTo, feed, front, type FrontOptions, type MemorySocket } from './served.ts';

const get = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';

/** One request, answered by what the test does with the outbound. */
async function answerWith(use: (outbound: Outbound) => void, text = get, options: FrontOptions = {}) {
  const outcomes: Outcome[] = [];
  const served = front({
    ...options,
    handler: (_inbound, outbound) => {
      outbound.onClose((outcome) => outcomes.push(outcome));
      use(outbound);
    },
  });
  const socket = connectTo(served);
  await feed(socket, [text]);
  return { ...served, socket, outcomes, sent: socket.sent, writes: socket.writes };
}

const length = (bytes: number): string[] => ['content-length', String(bytes)];
const small = Buffer.from('hello');
const large = Buffer.alloc(40_000, 'x');
const withoutDate = (text: string): string => text.replace(/Date: [^\r]*\r\n/, '');

test('head, body and end of one turn go out in one write, with a Date', async () => {
  const { sent, writes, outcomes, socket } = await answerWith((outbound) => {
    outbound.head(200, '', [...length(5), 'X-A', '\xe9'], false);
    assert.equal(outbound.write(small), true);
    outbound.end([]);
    outbound.flush();
  });
  const date = /^HTTP\/1\.1 200 OK\r\nDate: (.* GMT)\r\n/.exec(sent)?.[1] ?? '';
  assert.ok(Math.abs(Date.parse(date) - Date.now()) < 5_000, sent);
  assert.equal(withoutDate(sent), 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nX-A: \xe9\r\n\r\nhello');
  assert.equal(writes, 1);
  assert.deepEqual(outcomes, [{ status: 200, bytes: 5, complete: true }]);
  assert.equal(socket.writableEnded, false);
});

test("a backend's own Date and reason stay as they are", async () => {
  const { sent } = await answerWith((outbound) => {
    outbound.head(299, 'Bien s\xfbr', ['dAtE', 'yesterday', ...length(0)], false);
    outbound.end([]);
  });
  assert.equal(sent, 'HTTP/1.1 299 Bien s\xfbr\r\ndAtE: yesterday\r\ncontent-length: 0\r\n\r\n');
});

test('a body of unknown length is chunked, with its trailers; flush sends what has come', async () => {
  const { sent, socket, outcomes } = await answerWith((outbound) => {
    outbound.head(200, '', [], false);
    outbound.write(small);
    outbound.write(Buffer.alloc(0));
    outbound.flush();
    outbound.write(Buffer.alloc(17, 'y'));
    outbound.end(['X-Sum', '22']);
  });
  assert.equal(
    withoutDate(sent),
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n11\r\n${'y'.repeat(17)}\r\n0\r\nX-Sum: 22\r\n\r\n`,
  );
  assert.equal(socket.writes, 2);
  assert.deepEqual(outcomes, [{ status: 200, bytes: 22, complete: true }]);
});

test('HTTP/1.0 gets no chunks, no 1xx and no trailers: its answer ends with the connection', async () => {
  const request = 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n';
  const { sent, socket } = await answerWith((outbound) => {
    outbound.inform(103, ['link', '</a>']);
    outbound.head(200, '', [], false);
    outbound.write(small);
    outbound.end(['X-Sum', '1']);
  }, request);
  assert.equal(withoutDate(sent), 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello');
  assert.ok(socket.writableEnded);
  const cut = await answerWith((outbound) => {
    outbound.head(200, '', [], false);
    outbound.write(small);
    outbound.flush();
    outbound.cut();
  }, request);
  assert.ok(cut.socket.wasReset, 'only a reset tells that it is not the end');
});

async function answerTo(method: string, status: number): Promise<string> {
  const { sent, outcomes } = await answerWith((outbound) => {
    outbound.head(status, '', length(5), false);
    outbound.write(small);
    outbound.end([]);
  }, `${method} / HTTP/1.1\r\nHost: a.test\r\n\r\n`);
  assert.deepEqual(outcomes, [{ status, bytes: 0, complete: true }]);
  return withoutDate(sent);
}

test('no body where HTTP has none: HEAD, 204, 304; a 204 has no length either', async () => {
  assert.equal(await answerTo('HEAD', 200), 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n');
  assert.equal(await answerTo('GET', 304), 'HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n');
  assert.equal(await answerTo('GET', 204), 'HTTP/1.1 204 No Content\r\n\r\n');
});

test('informational answers come before the head, each at once, and 101 is none of them', async () => {
  const { sent } = await answerWith((outbound) => {
    outbound.inform(100, []);
    outbound.inform(101, []);
    outbound.inform(103, ['Link', '</a>']);
    outbound.head(200, '', length(0), false);
    outbound.inform(103, ['Link', '</b>']);
    outbound.end([]);
  });
  assert.equal(
    withoutDate(sent),
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
  );
});

test('never (§5.13): an answer that is not as long as it says is cut, and nothing follows it', async () => {
  for (const body of ['four', 'sixsix']) {
    const { socket, outcomes, seen } = await answerWith((outbound) => {
      outbound.head(200, '', length(5), false);
      outbound.write(Buffer.from(body));
      outbound.end([]);
    }, get.repeat(2));
    assert.ok(socket.destroyed, body);
    assert.equal(outcomes[0]?.complete, false);
    assert.equal(seen.length, 1);
  }
  const { socket } = await answerWith((outbound) => outbound.end([]));
  assert.ok(socket.destroyed, 'an end without a head');
});

test('large pieces are passed on as they are, with what stands before them in the same write', async () => {
  const { sent, socket } = await answerWith((outbound) => {
    outbound.head(200, '', length(80_000), false);
    outbound.write(large);
    outbound.write(large);
    outbound.end([]);
  });
  assert.equal(sent.length - sent.indexOf('\r\n\r\n') - 4, 80_000);
  assert.equal(socket.writes, 2);
  const chunked = await answerWith((outbound) => {
    outbound.head(200, '', [], false);
    outbound.write(large);
    outbound.end([]);
  });
  assert.ok(chunked.sent.endsWith(`\r\n\r\n9c40\r\n${large.toString()}\r\n0\r\n\r\n`));
});

function ok(outbound: Outbound): void {
  outbound.head(200, '', length(0), false);
  outbound.end([]);
}

test('never (§5.13): the memory of a large piece is given back only when the socket has done with it, and once', async () => {
  const released: number[] = [];
  let outbound: Outbound | undefined;
  const served = front({ handler: (_inbound, given) => (outbound = given) });
  const socket = connectTo(served);
  socket.setReading(false);
  await feed(socket, [get]);
  outbound?.head(200, '', [], false);
  for (const piece of [1, 2]) outbound?.write(large, () => released.push(piece));
  outbound?.end([]);
  await feed(socket, []);
  assert.deepEqual(released, [], 'the client has taken nothing yet');
  socket.setReading(true);
  await feed(socket, []);
  assert.deepEqual(released, [1, 2]);
});

test('the last answer of a connection says so: asked for, told to, draining, or after so many', async () => {
  const closing = /\r\nConnection: close\r\n/;
  const asked = await answerWith(ok, `GET / HTTP/1.1\r\nHost: a.test\r\nConnection: x, Close\r\n\r\n${get}`);
  const told = await answerWith((outbound) => {
    outbound.head(200, '', length(0), true);
    outbound.end([]);
  }, get.repeat(2));
  for (const { sent, seen, socket } of [asked, told]) {
    assert.match(sent, closing);
    assert.equal(seen.length, 1, 'what is pipelined behind it is not served');
    assert.ok(socket.writableEnded);
  }
  const counted = await answerWith(ok, get.repeat(5), { limits: { requestsPerConnection: 3 } });
  assert.deepEqual([counted.seen.length, counted.limits], [3, ['requests']]);
  assert.equal(counted.sent.split('Connection: close').length, 2);
  assert.match(counted.sent.slice(counted.sent.lastIndexOf('HTTP/1.1')), closing);
  const served = front();
  const socket = connectTo(served);
  await feed(socket, [get]);
  assert.doesNotMatch(socket.sent, closing);
  served.http1.drain();
  await feed(socket, [get]);
  assert.match(socket.sent, closing);
  assert.ok(socket.writableEnded);
});

test('a client that does not read is waited for: the writer is told, the next request is not served, memory stays bounded', async () => {
  const outbounds: Outbound[] = [];
  let drained = 0;
  const outcomes: Outcome[] = [];
  const served = front({
    handler: (_inbound, outbound) => {
      outbounds.push(outbound);
      outbound.onDrain(() => (drained += 1));
      outbound.onClose((outcome) => outcomes.push(outcome));
    },
  });
  const socket = connectTo(served);
  socket.setReading(false);
  await feed(socket, [get.repeat(2)]);
  const first = outbounds[0] as Outbound;
  first.head(200, '', [], false);
  let accepted = 0;
  while (first.write(large) && accepted < 100) accepted += 1;
  assert.ok(accepted < 5, `${accepted} pieces were accepted`);
  assert.ok(socket.writableLength < 200_000);
  first.end([]);
  await feed(socket, []);
  assert.deepEqual([outbounds.length, outcomes.length], [1, 0], 'the first answer is not out yet');
  socket.setReading(true);
  await feed(socket, []);
  assert.deepEqual([outbounds.length, outcomes.length], [2, 1]);
  socket.setReading(false);
  const second = outbounds[1] as Outbound;
  second.head(200, '', [], false);
  while (second.write(large));
  assert.equal(drained, 0);
  socket.setReading(true);
  await feed(socket, []);
  assert.equal(drained, 1);
});

test('an answer to a client that has just gone is not complete', async () => {
  let leaving: MemorySocket | undefined;
  const outcomes: Outcome[] = [];
  const served = front({
    handler: (_inbound, outbound) => {
      outbound.onClose((outcome) => outcomes.push(outcome));
      leaving?.destroy();
      ok(outbound);
    },
  });
  const socket = connectTo(served);
  leaving = socket;
  await feed(socket, [get]);
  assert.deepEqual(outcomes, [{ status: 200, bytes: 0, complete: false }]);
});

test('a client that goes away ends the exchange once, and what is called afterwards does nothing', async () => {
  const outcomes: Outcome[] = [];
  let outbound: Outbound | undefined;
  const served = front({
    handler: (_inbound, given) => {
      outbound = given;
      given.onClose((outcome) => outcomes.push(outcome));
    },
  });
  const socket = connectTo(served);
  await feed(socket, [get]);
  outbound?.head(200, '', [], false);
  outbound?.write(small);
  outbound?.flush();
  socket.destroy();
  await feed(socket, []);
  assert.deepEqual(outcomes, [{ status: 200, bytes: 5, complete: false }]);
  outbound?.write(small);
  outbound?.flush();
  outbound?.end([]);
  outbound?.cut();
  assert.equal(outcomes.length, 1);
});
