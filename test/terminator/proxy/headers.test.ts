import assert from 'node:assert/strict';
import test from 'node:test';
import {
  passableTrailers,
  requestHead,
  responseHeaders,
  type Forwarding,
} from '../../../src/terminator/proxy/headers.ts';

function head(headers: readonly string[], overrides: Partial<Forwarding> = {}): string {
  return requestHead({
    method: 'GET',
    target: '/x',
    host: 'shop.test:8443',
    headers,
    clientAddress: '192.0.2.7',
    protocol: 'https',
    body: 'none',
    ...overrides,
  });
}

test('the backend gets the host as the client wrote it, and who asked for it how', () => {
  assert.equal(
    head(['Host', 'ignored', 'Accept', '*/*', 'X-Forwarded-For', '203.0.113.1', 'X-Forwarded-Proto', 'http']),
    'GET /x HTTP/1.1\r\nHost: shop.test:8443\r\nAccept: */*\r\n' +
      'X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.test:8443\r\n\r\n',
  );
});

test('what belongs to the client connection stays there, also what its Connection header names', () => {
  const headers = {
    Connection: 'close, X-Secret',
    'Keep-Alive': 'timeout=5',
    'Proxy-Connection': 'x',
    Upgrade: 'h2c',
    'HTTP2-Settings': 'AAA',
    'X-Secret': '1',
    'Transfer-Encoding': 'chunked',
    'X-Kept': '2',
  };
  const text = head(Object.entries(headers).flat());
  assert.deepEqual(text.split('\r\n').slice(2, 4), ['X-Kept: 2', 'X-Forwarded-For: 192.0.2.7']);
});

test('a Connection header cannot take away what the message means', () => {
  const text = head(
    [
      'Connection',
      'content-length, host, authorization, x-forwarded-for',
      'Content-Length',
      '3',
      'Authorization',
      'b',
      'X-Forwarded-For',
      'lie',
    ],
    {
      body: 'length',
    },
  );
  assert.match(text, /\r\nContent-Length: 3\r\nAuthorization: b\r\n/);
  assert.match(text, /\r\nX-Forwarded-For: 192\.0\.2\.7\r\n/);
});

test('bodies are framed anew: chunked only where the client gave no length', () => {
  assert.match(head(['content-length', '3'], { body: 'length' }), /content-length: 3\r\n/);
  assert.match(head([], { body: 'chunked' }), /Transfer-Encoding: chunked\r\n/);
  assert.doesNotMatch(head(['content-length', '3'], { body: 'chunked' }), /content-length/);
  assert.match(head(['content-length', '0']), /content-length: 0\r\n/);
});

test('cookies that HTTP/2 split are one again, and TE keeps only trailers', () => {
  const text = head(['cookie', 'a=1', 'cookie', 'b=2', 'te', 'trailers']);
  assert.match(text, /\r\nCookie: a=1; b=2\r\nTE: trailers\r\nConnection: TE\r\n/);
  assert.doesNotMatch(head(['te', 'gzip']), /TE/);
});

test('responses lose what belongs to the backend connection, and HTTP/2 gets lower-case names', () => {
  const headers = ['Content-Type', 'a', 'Connection', 'X-Hop', 'X-Hop', '1', 'Set-Cookie', 'x', 'Set-Cookie', 'y'];
  assert.deepEqual(responseHeaders(headers, false), ['Content-Type', 'a', 'Set-Cookie', 'x', 'Set-Cookie', 'y']);
  assert.deepEqual(responseHeaders(headers, true), ['content-type', 'a', 'set-cookie', 'x', 'set-cookie', 'y']);
});

test('what a client says about its own origin is not passed on, however it is spelt', () => {
  const claims = [
    'Forwarded',
    'X-Real-IP',
    'X_Real_IP',
    'X-Forwarded-Port',
    'x_forwarded_for',
    'X-Forwarded_Proto',
    'Proxy',
  ];
  const text = head([...claims.flatMap((name) => [name, 'lie']), 'X-Forwarder', 'kept', 'Pragma', 'kept']);
  assert.doesNotMatch(text, /lie/);
  assert.match(text, /X-Forwarder: kept\r\nPragma: kept\r\n/);
});

test('trailers say nothing that frames, routes or authenticates a message', () => {
  const kept = ['grpc-status', '0', 'X-Sum', '1'];
  const dropped = [
    'Content-Length',
    '9',
    'Transfer-Encoding',
    'chunked',
    'Host',
    'x',
    'Authorization',
    'x',
    'X-Forwarded-For',
    'x',
    'Connection',
    'close',
    'Trailer',
    'x',
  ];
  assert.deepEqual(passableTrailers([...dropped, ...kept]), kept);
});
