import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import fc from 'fast-check';
import type { Inbound } from '../../../src/terminator/proxy/exchange.ts';
import { HttpsFront } from '../../../src/terminator/proxy/https-front.ts';
import type { ExchangeRecord } from '../../../src/terminator/proxy/record.ts';
import type { FrontOptions } from '../../../src/terminator/proxy/transaction.ts';
import type { BackendFailure } from '../../../src/terminator/upstream/backend.ts';
import { until } from '../../support/until.ts';
import { proxyRoute } from '../support/harness.ts';
import { inboundWith, Seen, SentBody, TunnelEnd, worldWith, type Call } from './support.ts';

interface Forwarded {
  readonly call: Call;
  readonly seen: Seen;
  readonly failures: string[];
}

/** A request on its way, its call started. */
function forwarded(overrides: Partial<Inbound> = {}, options: Partial<FrontOptions> = {}): Forwarded {
  const world = worldWith([proxyRoute('a.test', 'b')], options);
  const seen = new Seen();
  new HttpsFront(world.options).handle(inboundWith(overrides), seen);
  const [call] = world.calls;
  assert.ok(call?.started === true);
  return { call, seen, failures: world.failures };
}

const ok = { status: 200, reason: 'OK', headers: ['Content-Length', '4'] };

test('a request goes out as it came and its answer comes back, informational ones first', () => {
  const { call, seen } = forwarded({ method: 'PUT', target: '/p?q', authority: 'a.test:1' });
  const { method, target, authority, body, upgrade, connection } = call.request;
  assert.deepEqual([method, target, authority, body, upgrade], ['PUT', '/p?q', 'a.test:1', 'none', undefined]);
  assert.equal(connection.address, '192.0.2.7');
  call.events.onReady();
  call.events.onInformational({ status: 103, reason: '', headers: ['Link', '</a>'] });
  call.events.onHead(ok);
  call.events.onData(Buffer.from('data'));
  assert.equal(seen.flushes, 0);
  call.events.onTurn();
  assert.equal(seen.flushes, 1, 'what has come goes out at the end of the turn, before the answer is complete');
  call.events.onEnd(['X-Sum', '1', 'Content-Length', '9']);
  assert.deepEqual([seen.informed, seen.status, seen.body, seen.closing], [[103], 200, 'data', false]);
  assert.deepEqual(seen.trailers, ['X-Sum', '1']);
  assert.equal(call.aborted, false);
});

test('a body is read only when the backend is ready, and both directions wait for each other', () => {
  const body = new SentBody();
  const { call, seen } = forwarded({ method: 'POST', body });
  assert.equal(body.begun, false);
  call.events.onReady();
  call.full = true;
  body.sink?.onData(Buffer.from('up'));
  assert.equal(body.paused, true);
  call.events.onDrain();
  assert.equal(body.paused, false);
  body.sink?.onEnd(['X-T', '1', 'Host', 'x']);
  assert.deepEqual([call.body, call.trailers], ['up', ['X-T', '1']]);
  call.events.onHead(ok);
  seen.full = true;
  call.events.onData(Buffer.from('do'));
  call.events.onData(Buffer.from('wn'));
  assert.equal(call.paused, true);
  seen.drain();
  assert.equal(call.paused, false);
  call.events.onEnd([]);
  assert.deepEqual([seen.body, seen.closing], ['down', false]);
  seen.drain();
});

test('an answer before the end of the request ends the connection, and what still comes goes nowhere', () => {
  const body = new SentBody();
  const { call, seen } = forwarded({ method: 'POST', body });
  call.events.onReady();
  body.sink?.onData(Buffer.from('some'));
  call.events.onHead({ status: 413, reason: '', headers: [] });
  call.events.onEnd([]);
  assert.deepEqual([seen.status, seen.closing, seen.ended], [413, true, true]);
  body.sink?.onData(Buffer.from('more'));
  body.sink?.onEnd([]);
  assert.deepEqual([call.body, call.trailers], ['some', undefined]);
});

test('a body that nobody began to read is thrown away', () => {
  const body = new SentBody();
  const { call, seen } = forwarded({ method: 'POST', body });
  call.events.onFailure('backend-refused', 'ECONNREFUSED 10.0.0.2', false);
  assert.deepEqual([body.discarded, seen.status, seen.closing], [true, 502, false]);
  call.events.onReady();
  assert.equal(body.begun, false);
});

test('a client that goes away takes its backend request with it', () => {
  for (const headSeen of [false, true]) {
    const { call, seen } = forwarded();
    call.events.onReady();
    if (headSeen) call.events.onHead(ok);
    seen.close(false);
    assert.equal(call.aborted, true);
  }
});

test('each failure has its status and its name, and tells nothing of the inside', () => {
  const statuses: Record<BackendFailure, number> = {
    'backend-refused': 502,
    'backend-unresolvable': 502,
    'backend-forbidden-address': 502,
    'backend-tls': 502,
    'backend-reset': 502,
    'backend-closed': 502,
    'backend-bad-answer': 502,
    'backend-unavailable': 503,
    'backend-overloaded': 503,
    'backend-connect-timeout': 504,
    'backend-timeout': 504,
  };
  for (const [failure, status] of Object.entries(statuses) as [BackendFailure, number][]) {
    const { call, seen, failures } = forwarded();
    call.events.onFailure(failure, 'secret 10.0.0.2', false);
    assert.equal(seen.status, status, failure);
    assert.match(seen.body, new RegExp(`^${status} [A-Z][A-Za-z ]+: ${failure}\n$`));
    assert.equal(seen.values('retry-after').length, status === 503 ? 1 : 0);
    assert.deepEqual(failures, [`b ${failure} secret 10.0.0.2`]);
    assert.equal(call.aborted, false);
  }
});

test('never: an answer that the backend broke off is shown as complete', () => {
  const { call, seen } = forwarded();
  call.events.onHead({ status: 200, reason: '', headers: [] });
  call.events.onData(Buffer.from('half'));
  call.events.onFailure('backend-closed', '', true);
  assert.deepEqual([seen.wasCut, seen.ended], [true, false]);
  assert.equal(call.aborted, false, 'the call is over already');
});

type Step = 'ready' | 'drain' | 'head' | 'data' | 'turn' | 'end' | 'fail' | 'gone' | 'up' | 'up-end' | 'client-drain';

test('whatever comes in whatever order, the client gets one head, one end, and nothing behind it', () => {
  const steps = fc.array(
    fc.constantFrom<Step>(
      'ready',
      'drain',
      'head',
      'data',
      'turn',
      'end',
      'fail',
      'gone',
      'up',
      'up-end',
      'client-drain',
    ),
    { maxLength: 25 },
  );
  fc.assert(
    fc.property(steps, fc.boolean(), (order, withBody) => {
      const body = withBody ? new SentBody() : undefined;
      const { call, seen } = forwarded({ method: 'POST', body });
      let head = false;
      let over = false;
      let uploaded = false;
      // `Seen` throws for a second head or end; the backend keeps to its contract, the client does what it likes.
      for (const step of order) {
        if (over && step !== 'up' && step !== 'up-end' && step !== 'client-drain' && step !== 'gone') continue;
        if (step === 'ready') call.events.onReady();
        else if (step === 'drain') call.events.onDrain();
        else if (step === 'head' && !head) {
          head = true;
          call.events.onHead({ status: 200, reason: '', headers: [] });
        } else if (step === 'data' && head) call.events.onData(Buffer.from('x'));
        else if (step === 'turn') call.events.onTurn();
        else if (step === 'end' && head) {
          over = true;
          call.events.onEnd([]);
        } else if (step === 'fail') {
          over = true;
          call.events.onFailure('backend-reset', '', head);
        } else if (step === 'gone') {
          over = true;
          seen.close(false);
        } else if (step === 'up' && !uploaded) body?.sink?.onData(Buffer.from('u'));
        else if (step === 'up-end' && !uploaded && body?.sink !== undefined) {
          uploaded = true;
          body.sink.onEnd([]);
        } else if (step === 'client-drain') seen.drain();
      }
      assert.ok(!(seen.ended && seen.wasCut));
      if (seen.closing) assert.ok(body !== undefined, 'only an unread body ends the connection');
      if (call.trailers !== undefined) assert.ok(uploaded);
    }),
    { numRuns: 1_000 },
  );
});

test('an upgrade joins the streams of both sides; each end ends the other', async () => {
  const { call, seen } = forwarded({ upgrade: 'websocket', headers: ['Sec-WebSocket-Key', 'AAAA'] });
  assert.equal(call.request.upgrade, 'websocket');
  const backend = new TunnelEnd();
  const headers = ['Sec-WebSocket-Accept', 'from-backend', 'Connection', 'Upgrade', 'Upgrade', 'websocket'];
  call.events.onUpgrade({ status: 101, reason: '', headers }, backend);
  assert.deepEqual(seen.values('sec-websocket-accept'), ['from-backend']);
  assert.deepEqual([...seen.values('connection'), ...seen.values('upgrade')], []);
  const client = seen.tunnels[0] as TunnelEnd;
  client.push('to backend');
  backend.push('to client');
  await until(() => backend.received === 'to backend' && client.received === 'to client');
  backend.destroy();
  await once(client, 'close');
  seen.close(true);
  assert.equal(call.aborted, false);
});

test('where only one side speaks of a WebSocket key, the answer is made to fit the client', () => {
  const down = forwarded({ upgrade: 'websocket', version: '2' });
  const accept = ['Sec-WebSocket-Accept', 'a proof for the key of the transport', 'Sec-WebSocket-Protocol', 'chat'];
  down.call.events.onUpgrade({ status: 101, reason: '', headers: accept }, new TunnelEnd());
  assert.deepEqual(down.seen.values('sec-websocket-accept'), []);
  assert.deepEqual(down.seen.values('sec-websocket-protocol'), ['chat']);
  // HTTP/1.1 client, HTTP/2 backend; key and proof are the example of RFC 6455 §1.3.
  const up = forwarded({ upgrade: 'websocket', headers: ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='] });
  up.call.events.onUpgrade({ status: 200, reason: '', headers: [], version: '2' }, new TunnelEnd());
  assert.deepEqual(up.seen.values('sec-websocket-accept'), ['s3pPLMBiTxaQ9kYGzzhZRbK+xOo=']);
  assert.deepEqual(up.seen.values('via'), ['2 certplane']);
});

test('a record tells what became of each exchange, and nothing is measured without somebody who wants it', () => {
  const records: ExchangeRecord[] = [];
  const body = new SentBody();
  const headers = ['TraceParent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'];
  const { call, seen } = forwarded(
    { method: 'POST', body, headers, target: '/p?q' },
    { onExchange: (record) => records.push(record) },
  );
  call.events.onReady();
  body.sink?.onData(Buffer.from('12345'));
  body.sink?.onEnd([]);
  call.events.onHead(ok);
  call.events.onData(Buffer.from('data'));
  assert.equal(records.length, 0);
  call.events.onEnd([]);
  const [record] = records;
  assert.ok(record !== undefined && record.backendMs !== undefined);
  assert.ok(record.durationMs >= record.backendMs && record.backendMs >= 0);
  assert.equal(record.connection.address, '192.0.2.7');
  assert.equal(record.headers, headers);
  const times = { durationMs: 0, backendMs: 0 };
  assert.deepEqual(
    { ...record, ...times },
    {
      ...times,
      connection: record.connection,
      headers,
      method: 'POST',
      authority: 'a.test',
      host: 'a.test',
      target: '/p?q',
      version: '1.1',
      status: 200,
      bytesIn: 5,
      bytesOut: 4,
      complete: true,
      route: 'a.test/',
      backend: 'b',
      endpoint: '10.0.0.2:80',
      failure: undefined,
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    },
  );
  assert.equal(seen.status, 200);
  const gone = forwarded({}, { onExchange: (one) => records.push(one) });
  gone.seen.close(false);
  assert.deepEqual([records[1]?.status, records[1]?.complete, records[1]?.endpoint], [0, false, '10.0.0.2:80']);
  const failed = forwarded({}, { onExchange: (one) => records.push(one) });
  failed.call.events.onFailure('backend-tls', '', false);
  assert.deepEqual([records[2]?.status, records[2]?.failure, records[2]?.backendMs], [502, 'backend-tls', undefined]);
});
