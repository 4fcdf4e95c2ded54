/**
 * What nginx does with the same requests and the same routes. Every difference is listed here with its reason; one that
 * is not listed, or is no longer there, fails the test.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { missingTools } from '../support/tools.ts';
import { startNginx } from '../support/nginx.ts';
import { freePort } from '../support/ports.ts';
import type { Route } from '../../src/core/route.ts';
import { differences, observe, startEchoBackend } from './support/differential.ts';
import { proxyRoute, respondRoute, routeTo, startTerminator } from './support/harness.ts';

/** Everywhere, and why. */
const always: Readonly<Record<string, string>> = {
  'answer server': "nginx names itself; here the backend's Server is passed on, and our own answers have none",
  'answer date': "nginx replaces the backend's; a gateway keeps it (RFC 9110 §6.6.1)",
  'answer via': 'RFC 9110 §7.6.3 asks for it; nginx sends none',
  'sent via': 'the same',
  'sent forwarded': 'RFC 7239; nginx sends only what its configuration says',
  'sent x-forwarded-port': 'the same',
  'answer connection':
    'nginx says "close" or "keep-alive" to everybody; here only where it is not understood by itself',
};

interface Case {
  readonly request: string;
  /** `name: nginx / ours` for everything that differs. */
  readonly differs: readonly string[];
  readonly because?: string;
  /** Compared alone; absent: all that can be seen. */
  readonly only?: readonly string[];
}

const host = 'Host: a.test\r\nConnection: close\r\n';

function ask(method: string, target: string, more = '', body = ''): string {
  return `${method} ${target} HTTP/1.1\r\n${host}${more}\r\n${body}`;
}

const get = (target: string, more = ''): string => ask('GET', target, more);

function same(request: string): Case {
  return { request, differs: [] };
}

function differs(request: string, because: string, ...what: string[]): Case {
  return { request, differs: what, because };
}

/** Both answer by themselves and mean the same: nginx with a page in HTML, we with one line of text. */
function ownAnswer(request: string): Case {
  return { request, differs: [], only: ['status', 'answer location', 'complete'] };
}

/** One of them refuses what the other one does not, or both refuse differently. */
function status(request: string, theirs: number | 'none', ours: number, because: string): Case {
  return { request, differs: [`status: ${theirs} / ${ours}`], because, only: ['status'] };
}

function routes(backend: string): Route[] {
  const all: Route[] = [
    proxyRoute('a.test', backend),
    respondRoute('a.test', 'fixed', '/fixed'),
    { ...respondRoute('a.test', 'exact'), name: 'exact', path: { kind: 'exact', value: '/fixed/exact' } },
    { ...respondRoute('a.test', 'versioned'), name: 'versioned', path: { kind: 'regex', value: '/v[0-9]+/' } },
    routeTo('a.test', { kind: 'proxy', backend, rewrite: { kind: 'replace-prefix', value: '/' } }, '/strip'),
    routeTo('a.test', { kind: 'redirect', status: 301, path: { kind: 'replace-prefix', value: '/new' } }, '/old'),
    { ...respondRoute('read.test', 'read', '/readonly'), methods: ['GET', 'HEAD'] },
  ];
  for (const route of all) Object.assign(route, { http: 'serve' });
  return all;
}

const configuration = (port: number, backend: number): string => `
  default_type text/plain;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  server { listen 127.0.0.1:${port} default_server; return 404; }
  server {
    listen 127.0.0.1:${port};
    server_name a.test;
    charset utf-8;
    proxy_http_version 1.1;
    proxy_redirect off;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;
    location / { proxy_pass http://127.0.0.1:${backend}; }
    location = /fixed { return 200 "fixed"; }
    location /fixed/ { return 200 "fixed"; }
    location = /fixed/exact { return 200 "exact"; }
    location ~ ^/v[0-9]+/ { return 200 "versioned"; }
    location = /strip { proxy_pass http://127.0.0.1:${backend}/; }
    location /strip/ { proxy_pass http://127.0.0.1:${backend}/; }
    location = /old { return 301 http://$http_host/new$is_args$args; }
    location /old/ { rewrite ^/old/(.*)$ http://$http_host/new/$1 permanent; }
  }
  server {
    listen 127.0.0.1:${port};
    server_name read.test;
    charset utf-8;
    location = /readonly { limit_except GET { deny all; } return 200 "read"; }
  }`;

const paths = {
  resolved: 'a backend gets the path that the route was chosen by; nginx chooses by one and sends another',
  hidden: 'a backend that reads it as a dot segment would leave the path that the route was chosen by',
  twoRoutes: 'some backends read the path of another route there; nginx chooses the one it reads itself',
};

const cases: Readonly<Record<string, Case>> = {
  // Methods and bodies.
  GET: same(get('/a/b?q=1&r=%20')),
  HEAD: same(ask('HEAD', '/x')),
  'HEAD of a fixed answer': same(ask('HEAD', '/fixed')),
  'HEAD of a chunked answer': same(ask('HEAD', '/raw/chunked')),
  'HEAD of an answer with a length': same(ask('HEAD', '/raw/reason')),
  'POST with a length': same(ask('POST', '/x', 'Content-Length: 5\r\n', 'hello')),
  'POST with an empty body': same(ask('POST', '/x', 'Content-Length: 0\r\n')),
  'POST without a body': same(ask('POST', '/x')),
  'POST in chunks': differs(
    ask('POST', '/x', 'Transfer-Encoding: chunked\r\n', '5;a=b\r\nhello\r\n0\r\n\r\n'),
    'nginx waits for the whole body and counts it, here it is passed on as it comes',
    'sent content-length: 5 / none',
    'sent transfer-encoding: none / chunked',
  ),
  'POST with trailers': differs(
    ask('POST', '/x', 'Transfer-Encoding: chunked\r\nTrailer: X-T\r\n', '5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n'),
    'as above, and trailers are passed on (RFC 9110 §6.5)',
    'sent content-length: 5 / none',
    'sent trailer x-t: none / 1',
    'sent transfer-encoding: none / chunked',
  ),
  'GET with a body': same(ask('GET', '/x', 'Content-Length: 5\r\n', 'hello')),
  PUT: same(ask('PUT', '/x', 'Content-Length: 2\r\n', 'hi')),
  PATCH: same(ask('PATCH', '/x', 'Content-Length: 2\r\n', 'hi')),
  DELETE: same(ask('DELETE', '/x')),
  PROPFIND: same(ask('PROPFIND', '/x')),
  OPTIONS: same(ask('OPTIONS', '/x')),
  'OPTIONS *': status(ask('OPTIONS', '*'), 400, 200, 'RFC 9110 §9.3.7 allows it; it goes to the route for /'),
  'OPTIONS that may go no further': differs(
    ask('OPTIONS', '/x', 'Max-Forwards: 0\r\n'),
    'RFC 9110 §7.6.2: it is answered here',
    'answer allow: none / GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS',
    'answer content-length: none / 0',
    'answer content-type: application/json / none',
    'answer transfer-encoding: chunked / none',
    'body: none / ',
    'sent: OPTIONS /x HTTP/1.1 / none',
    'sent body:  / none',
    'sent host: a.test / none',
    'sent max-forwards: 0 / none',
    'sent x-forwarded-for: 127.0.0.1 / none',
    'sent x-forwarded-host: a.test / none',
    'sent x-forwarded-proto: http / none',
  ),
  TRACE: status(ask('TRACE', '/x'), 405, 200, 'nginx refuses it; here a route that does not want it lists its methods'),
  'a body for a fixed answer': same(ask('POST', '/fixed', 'Content-Length: 2\r\n', 'hi')),
  'a method that the route has not': status(
    'POST /readonly HTTP/1.1\r\nHost: read.test\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi',
    403,
    405,
    'RFC 9110 §15.5.6, with Allow',
  ),
  'HEAD where the route has it': same('HEAD /readonly HTTP/1.1\r\nHost: read.test\r\nConnection: close\r\n\r\n'),
  'Expect: 100-continue': differs(
    ask('POST', '/x', 'Expect: 100-continue\r\nContent-Length: 5\r\n', 'hello'),
    'nginx answers 100 itself, here it is for the backend to say',
    'sent expect: none / 100-continue',
  ),
  // Versions and hosts.
  'HTTP/1.0': same('GET /x HTTP/1.0\r\nHost: a.test\r\n\r\n'),
  'HTTP/1.0 and a fixed answer': same('GET /fixed HTTP/1.0\r\nHost: a.test\r\n\r\n'),
  'HTTP/1.0 and a chunked answer': same('GET /raw/chunked HTTP/1.0\r\nHost: a.test\r\n\r\n'),
  'HTTP/1.0 and an informational answer': differs(
    'GET /raw/early-hints HTTP/1.0\r\nHost: a.test\r\n\r\n',
    'RFC 9110 §15.2: never to a client with HTTP/1.0',
    'informed: 103  / none',
  ),
  'HTTP/1.0 without a host': ownAnswer('GET /x HTTP/1.0\r\n\r\n'),
  'HTTP/1.1 without a host': ownAnswer('GET /x HTTP/1.1\r\nConnection: close\r\n\r\n'),
  'an unknown host': ownAnswer('GET /x HTTP/1.1\r\nHost: b.test\r\nConnection: close\r\n\r\n'),
  'a host in capitals with a port': same('GET /x HTTP/1.1\r\nHost: A.TEST:81\r\nConnection: close\r\n\r\n'),
  'a host with a final dot': same('GET /x HTTP/1.1\r\nHost: a.test.\r\nConnection: close\r\n\r\n'),
  'a malformed host': ownAnswer('GET /x HTTP/1.1\r\nHost: a.test/x\r\nConnection: close\r\n\r\n'),
  'an absolute target': differs(
    'GET http://a.test/x?y HTTP/1.1\r\nHost: b.test\r\nConnection: close\r\n\r\n',
    'RFC 9112 §3.2.2: its host replaces the Host header',
    'sent host: b.test / a.test',
    'sent x-forwarded-host: b.test / a.test',
  ),
  // Answers of backends.
  'an answer that ends with the connection': same(get('/raw/until-close')),
  'an answer in HTTP/1.0': same(get('/raw/http-1.0')),
  'early hints': same(get('/raw/early-hints')),
  'a chunked answer': same(get('/raw/chunked')),
  'an answer with trailers': differs(
    get('/raw/trailers', 'TE: trailers\r\n'),
    'this nginx drops them',
    'trailer x-sum: none / 3',
  ),
  'an answer whose Connection header names another': differs(
    get('/raw/named'),
    'RFC 9110 §7.6.1: what it names goes, too',
    'answer x-hop: 1 / none',
  ),
  'headers that come twice': same(get('/raw/cookies')),
  'a Location of the inside': same(get('/raw/location')),
  'words of its own in the status line': same(get('/raw/reason')),
  'a status that nobody knows': same(get('/raw/odd-status')),
  '204': same(get('/raw/no-content')),
  '304 with a length': same(get('/raw/not-modified')),
  'a Server and a Date of its own': same(get('/raw/with-server')),
  'a range': same(get('/x', 'Range: bytes=2-4\r\n')),
  'a range of a fixed answer': same(get('/fixed', 'Range: bytes=2-4\r\n')),
  'a condition on a fixed answer': same(get('/fixed', 'If-None-Match: "x"\r\n')),
  'an answer with two lengths': status(get('/raw/two-lengths'), 200, 502, 'RFC 9112 §6.3: it can be read in two ways'),
  'an answer with a length and chunks': status(get('/raw/length-and-chunked'), 200, 502, 'the same'),
  'no HTTP at all': status(get('/raw/garbage'), 'none', 502, 'nginx takes it for HTTP/0.9 and passes it on bare'),
  'an answer cut short': same(get('/raw/cut-length')),
  'a chunked answer cut short': same(get('/raw/cut-chunk')),
  // Headers of requests.
  'headers that belong to the connection': differs(
    'GET /x HTTP/1.1\r\nHost: a.test\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nX-Kept: 1\r\nKeep-Alive: x\r\nProxy-Connection: y\r\n\r\n',
    'RFC 9110 §7.6.1',
    'sent proxy-connection: y / none',
    'sent x-hop: 1 / none',
  ),
  'names with underscores': differs(
    get('/x', 'X_Under: 1\r\nX-Forwarded_For: 1\r\n'),
    'only those that look like others are taken out; nginx drops all',
    'sent x_under: none / 1',
  ),
  'claims about the origin': differs(
    get('/x', 'Proxy: x\r\nX-Real-IP: 1\r\nForwarded: for=1\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Prefix: /x\r\n'),
    'a client is not believed about any of them',
    'sent proxy: x / none',
    'sent x-forwarded-prefix: /x / none',
    'sent x-real-ip: 1 / none',
  ),
  'claims about a certificate': differs(
    get('/x', 'Client-Cert: :x:\r\nX-Client-Cert-Verified: success\r\n'),
    'only the TLS layer says who a client is',
    'sent client-cert: :x: / none',
    'sent x-client-cert-verified: success / none',
  ),
  'several cookie headers': differs(
    get('/x', 'X-A: 1\r\nX-A: 2\r\nCookie: a=1\r\nCookie: b=2\r\n'),
    'one, as backends expect it (RFC 6265 §5.4)',
    'sent cookie: a=1 | b=2 / a=1; b=2',
  ),
  credentials: same(get('/x', 'Authorization: Basic x\r\nProxy-Authorization: y\r\n')),
  'TE: trailers': differs(
    get('/x', 'TE: trailers, gzip\r\n'),
    'trailers are passed on, so the backend is told',
    'sent connection: none / TE',
    'sent te: none / trailers',
  ),
  'empty values, blanks and bytes above 0x7f': same(get('/x', 'X-Empty:\r\nX-Space:   v   \r\nX-8bit: \xe4\r\n')),
  'trace context': same(get('/x', 'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n')),
  // Paths.
  ...Object.fromEntries(
    ['/?', '/a//b', '//a', '/a\\b', '/a;x/b', '/...', '/<">{}|^`', '/fixedx', '/FIXED', '/vx/', '/v1']
      .concat(['/fixed', '/fixed/', '/fixed/x', '/fixed//x', '/%66ixed', '/x/../fixed', '/x/..//fixed'])
      .concat([
        '/fixed/exact',
        '/fixed/exact/',
        '/v1/x',
        '/strip',
        '/strip/',
        '/strip/a/b?c',
        '/strip//a',
        '/strip/%41',
      ])
      .map((path) => [`path ${path}`, same(get(path))]),
  ),
  ...Object.fromEntries(
    ['/../b', '/%00', '/%zz', '/%', '/a b'].map((path) => [`refused path ${path}`, ownAnswer(get(path))]),
  ),
  ...Object.fromEntries(
    ['/old', '/old/', '/old/a?b=c', '/old/a%20b'].map((path) => [`redirected path ${path}`, ownAnswer(get(path))]),
  ),
  ...Object.fromEntries(
    Object.entries({
      '/a/./b': '/a/b',
      '/a/../b': '/b',
      '/a/%2e%2e/b': '/b',
      '/a/..': '/',
      '/%61': '/a',
      '/a%2fb': '/a%2Fb',
      '/%c3%a4': '/%C3%A4',
      '/v1/../x': '/x',
    }).map(([path, sent]) => [
      `path ${path}`,
      differs(get(path), paths.resolved, `sent: GET ${path} HTTP/1.1 / GET ${sent} HTTP/1.1`),
    ]),
  ),
  'an encoded slash behind a replaced prefix': differs(
    get('/strip/a%2fb'),
    'nginx decodes the path that it rewrites, here what is not replaced stays',
    'sent: GET /a/b HTTP/1.1 / GET /a%2Fb HTTP/1.1',
  ),
  'bytes above 0x7f in a path': status(
    get('/\xc3\xa4'),
    400,
    200,
    'they are percent-encoded for the backend, which refuses what nginx sends it',
  ),
  'a dot segment behind an encoded slash': status(get('/a%2F..%2fb'), 200, 400, paths.hidden),
  'a dot segment with a parameter': status(get('/a/..;/b'), 200, 400, paths.hidden),
  'a fragment': status(get('/a#b'), 200, 400, 'RFC 9112 §3.2: it is no part of a target'),
  'two slashes before a route': status(get('//fixed'), 200, 400, paths.twoRoutes),
  'an encoded slash before the end of a route': status(get('/fixed%2fx'), 200, 400, paths.twoRoutes),
  'a parameter behind a route': status(get('/fixed;x'), 200, 400, paths.twoRoutes),
  'a path that is too long for patterns': ownAnswer(get(`/${'x'.repeat(8_192)}`)),
  // Upgrades.
  WebSocket: same(
    'GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  ),
  'an upgrade to something else': status(
    'GET /x HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n',
    101,
    200,
    'a tunnel for a protocol that nobody watches; here it is an ordinary request',
  ),
};

test(
  'real nginx answers the same requests alike, but for what is listed',
  { skip: await missingTools('nginx') },
  async (t) => {
    await using backend = await startEchoBackend();
    const port = await freePort();
    await using nginx = await startNginx({ port, http: configuration(port, backend.port) });
    const url = `http://127.0.0.1:${backend.port}`;
    await using terminator = await startTerminator({ routes: routes(url), settings: { workers: 1 } });
    assert.equal(nginx.process.exit, undefined);
    for (const [name, { request, differs: expected, because, only }] of Object.entries(cases)) {
      await t.test(name, async () => {
        const [theirs, ours] = await Promise.all([observe(port, request), observe(terminator.httpPort, request)]);
        const found = differences(theirs, ours, only === undefined ? { ignored: Object.keys(always) } : { only });
        assert.deepEqual(found, expected);
        assert.equal(because !== undefined, expected.length > 0, 'every difference has its reason');
      });
    }
  },
);
