/** What single values mean, and that a value that is suggested is taken. */
import assert from 'node:assert/strict';
import { BlockList, isIPv4 } from 'node:net';
import { test } from 'node:test';
import { createSecureContext } from 'node:tls';
import fc from 'fast-check';
import { balance, caSources, statusRange } from '../../src/config/values/backends.ts';
import { durationOrZero } from '../../src/config/values/durations.ts';
import { backendUrl, endpoint } from '../../src/config/values/endpoints.ts';
import { headerMatches, headerName, headerValues, method, requestHeaderName } from '../../src/config/values/headers.ts';
import { authority } from '../../src/config/values/hosts.ts';
import { network } from '../../src/config/values/networks.ts';
import type { Parser } from '../../src/config/values/parsed.ts';
import { pathMatch } from '../../src/config/values/path-match.ts';
import { share } from '../../src/config/values/scalars.ts';
import { canonicalSize, formatSize, size } from '../../src/config/values/sizes.ts';
import { cipherSuite, isWeakCipher, keyExchangeGroup, tlsVersion } from '../../src/config/values/tls.ts';
import { tlsPresets } from '../../src/core/tls-policy.ts';
import { normalise } from '../../src/terminator/routing/request-path.ts';

function valueOf<T>(parse: Parser<T>, written: unknown): T {
  const parsed = parse(written);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return parsed.value;
}

function problemOf(parse: Parser<unknown>, written: unknown): string {
  const parsed = parse(written);
  return 'problem' in parsed ? parsed.problem : `taken: ${JSON.stringify(parsed.value)}`;
}

test('a size that is taken is the one that was meant, also in the forms of other programs', () => {
  const any = size(1, Number.MAX_SAFE_INTEGER);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9999 }), fc.constantFrom('', 'K', 'M', 'G'), (amount, letter) => {
      const bytes = amount * { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 }[letter];
      const canonical = `${amount}${letter === '' ? 'B' : `${letter}iB`}`;
      assert.equal(valueOf(any, canonical), bytes);
      assert.equal(valueOf(any, formatSize(bytes)), bytes);
      for (const text of [`${amount}${letter}`, ` ${amount} ${letter}B`, `${amount}${letter.toLowerCase()}ib`])
        assert.equal(canonicalSize(text), canonical, text);
    }),
  );
  assert.equal(valueOf(size(1, 10, { zero: true }), 0), 0);
  assert.equal(problemOf(any, 10), 'The size 10 has no unit; write 10B, 10KiB or 10MiB.');
  assert.equal(problemOf(any, '10m'), '"10m" is not a size; write 10MiB.');
  assert.equal(problemOf(any, 'big'), '"big" is not a size; write for example 32KiB or 10MiB.');
  assert.equal(
    problemOf(size(1024, 1_048_576), '2MiB'),
    'The size "2MiB" is out of range; write one from 1KiB to 1MiB.',
  );
  assert.match(problemOf(size(1, 10), 0), /not a size/);
});

test('a network holds its first address, and a suggested one is taken', () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6());
  fc.assert(
    fc.property(address, fc.nat(128), fc.oneof(fc.ipV4(), fc.ipV6()), (written, length, other) => {
      const family = isIPv4(written) ? 'ipv4' : 'ipv6';
      const prefix = Math.min(length, family === 'ipv4' ? 32 : 128);
      const parsed = network(`${written}/${prefix}`);
      const text = 'value' in parsed ? parsed.value : /; write "?([^ "]+)"?\.$/.exec(parsed.problem)?.[1];
      if (text === undefined) return assert.match('problem' in parsed ? parsed.problem : '', /IPv4 networks/);
      assert.equal(valueOf(network, text), text);
      // The same addresses as the platform's own idea of the network.
      const ours = new BlockList();
      const theirs = new BlockList();
      ours.addSubnet(text.split('/')[0] as string, prefix, family);
      theirs.addSubnet(written, prefix, family);
      for (const one of [written, other]) {
        const kind = isIPv4(one) ? 'ipv4' : 'ipv6';
        assert.equal(ours.check(one, kind), theirs.check(one, kind), `${one} in ${text}`);
      }
    }),
  );
  assert.equal(valueOf(network, '192.0.2.7'), '192.0.2.7/32');
  assert.equal(valueOf(network, 'FD00::/8'), 'fd00::/8');
  assert.equal(problemOf(network, '10.1.2.3/8'), '"10.1.2.3/8" has bits behind its prefix; write 10.0.0.0/8.');
  assert.equal(problemOf(network, 'fd01::/8'), '"fd01::/8" has bits behind its prefix; write "fd00::/8".');
  assert.equal(problemOf(network, '10.0.0.0/33'), '"10.0.0.0/33" has more than 32 bits; write 10.0.0.0/32.');
  assert.match(problemOf(network, 'example.com'), /is not a network; write for example 10\.0\.0\.0\/8/);
  assert.match(problemOf(network, '::ffff:10.0.0.0/104'), /^IPv4 networks are written as such/);
});

test('an endpoint reads the same when its text is read again', () => {
  const host = fc.oneof(
    fc.ipV4(),
    fc.ipV6().map((address) => `[${address}]`),
    fc.constantFrom('app', 'app.internal', 'a_b.svc.cluster.local'),
  );
  const scheme = fc.constantFrom('http://', 'https://', 'h2c://', 'h2://', 'tcp://', '');
  fc.assert(
    fc.property(scheme, host, fc.integer({ min: 1, max: 65_535 }), (prefix, name, port) => {
      const first = valueOf(endpoint, `${prefix}${name}:${port}`);
      assert.ok('port' in first.address && first.address.port === port);
      assert.equal(first.scheme, prefix === '' ? undefined : prefix.slice(0, -3));
      assert.deepEqual(valueOf(endpoint, first.text), first);
    }),
  );
  assert.deepEqual(valueOf(backendUrl, 'https://app.internal'), {
    address: { host: 'app.internal', port: 443 },
    scheme: 'https',
    text: 'https://app.internal',
  });
  for (const text of ['unix:/run/app.sock', 'unix:///run/app.sock', 'http+unix:/run/app.sock']) {
    assert.deepEqual(valueOf(backendUrl, text).address, { unixPath: '/run/app.sock' }, text);
  }
});

test('endpoints that are none are told what to write, and never repeat credentials', () => {
  const cases: [unknown, string][] = [
    [3000, 'A backend is a URL; write http://127.0.0.1:3000.'],
    ['127.0.0.1:3000', 'A backend is a URL with http:// in front; write http://127.0.0.1:3000.'],
    ['tcp://db.internal', '"tcp://db.internal" has no port; write tcp://db.internal:8080.'],
    [
      'http://10.0.0.1/api',
      'A backend is an origin without a path, and the path of each request is kept; write http://10.0.0.1.',
    ],
    ['http://*.a.example:80', '"http://*.a.example:80" names no host; write http://app.internal:8080.'],
    ['http://a:0', 'Port 0 is no port to connect to; write the port that the backend listens on.'],
    ['http://user:hunter2@a:1', 'A backend URL cannot carry credentials; write http://a:1.'],
    ['http://user:hunter2@', '"http://" is not a backend; write http://127.0.0.1:3000.'],
    ['wss://a:1', 'Backends are reached over http, https, h2c, h2 and tcp, not "wss://"; write https://a:1.'],
    [
      'ssl://a:1',
      'Backends are reached over http, https, h2c, h2 and tcp, not "ssl://"; write tcp://a:1, and tls: {} as an option of the backend.',
    ],
    ['unix:', 'A unix socket is named by its path; write unix:/run/app.sock.'],
    ['http://[::1', '"http://[::1" is not a backend; write http://127.0.0.1:3000.'],
    [['a'], 'A backend is a URL, not a list; write http://127.0.0.1:3000.'],
  ];
  for (const [written, problem] of cases) assert.equal(problemOf(backendUrl, written), problem);
});

test('paths are prefixes, or exact, or regular expressions', () => {
  assert.deepEqual(valueOf(pathMatch, '/api/'), { kind: 'prefix', value: '/api' });
  assert.deepEqual(valueOf(pathMatch, { prefix: '/' }), { kind: 'prefix', value: '/' });
  assert.deepEqual(valueOf(pathMatch, { exact: '/api/' }), { kind: 'exact', value: '/api/' });
  assert.deepEqual(valueOf(pathMatch, { regex: '/v[0-9]+/' }), { kind: 'regex', value: '/v[0-9]+/' });
  assert.match(problemOf(pathMatch, { regex: '/(a)\\1' }), /^Back-references/);
  assert.match(problemOf(pathMatch, { regex: 1 }), /^A regular expression is text, not 1/);
  for (const written of [{}, { exact: '/a', prefix: '/b' }, { glob: '/a' }, []]) {
    assert.match(problemOf(pathMatch, written), /^A path is a prefix, or one of prefix, exact and regex; write \/api/);
  }
  assert.deepEqual(valueOf(pathMatch, '/%7Eops/%c3%a4'), { kind: 'prefix', value: '/~ops/%C3%A4' });
  assert.equal(problemOf(pathMatch, '/50%'), 'A percent sign begins an encoded byte; write "/50%25".');
  assert.match(problemOf(pathMatch, '/a%00b'), /^A percent sign begins an encoded byte/);
  for (const hidden of ['/a/%2e%2e/b', '/..;/b', '/a\\..\\b', '/.%2Fa']) {
    assert.match(problemOf(pathMatch, hidden), /is no plain path/, hidden);
  }
  assert.match(problemOf(pathMatch, '/a*'), /or \{ regex: … \}\.$/);
});

test('a path that is taken is one that requests can have, in the form in which they are compared', () => {
  const part = fc.constantFrom(
    '/',
    '/',
    'a',
    '.',
    '..',
    '%2e',
    '%2F',
    '%41',
    '%c3',
    '%',
    ';',
    '\\',
    '%5c',
    '%00',
    '~',
    '+',
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const parsed = pathMatch({ exact: `/${parts.join('')}` });
      if ('problem' in parsed) return;
      const normal = normalise(parsed.value.value);
      assert.equal(typeof normal === 'string' ? normal : normal.path, parsed.value.value);
    }),
    { numRuns: 2_000 },
  );
});

test('headers are names and one line each; those of the connection are refused', () => {
  const values = headerValues(requestHeaderName, '{ x-team: shop }');
  assert.deepEqual(valueOf(values, { 'X-Team': 'shop', 'x-n': 1 }), { 'x-team': 'shop', 'x-n': '1' });
  assert.deepEqual(valueOf(headerMatches, { 'X-B': '1', 'x-a': true }), [{ name: 'x-a' }, { name: 'x-b', value: '1' }]);
  assert.match(problemOf(values, { Host: 'a' }), /write hostHeader: app\.internal\.$/);
  assert.match(problemOf(values, { 'Transfer-Encoding': 'chunked' }), /belongs to the connection/);
  assert.match(problemOf(values, { 'x-a': 'b\r\nset-cookie: x' }), /is not one line of plain text; write/);
  assert.match(problemOf(values, { 'X-A': '1', 'x-a': '2' }), /^The header x-a is here twice/);
  assert.match(problemOf(values, { 'a b': '1' }), /is not a header name/);
  assert.match(problemOf(headerMatches, { host: 'a' }), /is what hosts is for/);
  assert.match(problemOf(headerMatches, {}), /^A route asks for 1 to 16 headers/);
  assert.match(problemOf(headerMatches, { 'x-a': false }), /or \{ x-beta: true \} for any value/);
  assert.match(problemOf(headerName, 'upgrade'), /belongs to the connection/);
  assert.equal(valueOf(method, 'PROPFIND'), 'PROPFIND');
  assert.equal(problemOf(method, 'get'), 'Methods are upper-case; write GET.');
  assert.match(problemOf(method, 'CONNECT'), /never routed/);
});

test('hosts, shares, statuses and durations that may be 0', () => {
  assert.equal(valueOf(authority, 'App.Internal:8080'), 'app.internal:8080');
  assert.equal(valueOf(authority, '[::1]:80'), '[::1]:80');
  for (const wrong of ['a b', '::1', 'a:0', 'a:99999', '*.a.example', 'http://a', 12, '']) {
    assert.match(problemOf(authority, wrong), /is not a host; write/, String(wrong));
  }
  assert.equal(valueOf(share, 0.25), 0.25);
  assert.equal(problemOf(share, '10%'), '"10%" is not a share above 0 and up to 1; write 0.1.');
  assert.match(problemOf(share, 0), /write for example 0\.1/);
  assert.deepEqual(valueOf(statusRange, '200-399'), [200, 399]);
  assert.deepEqual(valueOf(statusRange, 204), [204, 204]);
  for (const wrong of ['399-200', '2xx', 99, '200-'])
    assert.match(problemOf(statusRange, wrong), /no range of statuses/);
  const idle = durationOrZero(1000, 60_000);
  for (const zero of [0, '0', '0s']) assert.equal(valueOf(idle, zero), 0);
  assert.equal(valueOf(idle, '5s'), 5_000);
  assert.match(problemOf(idle, '5ms'), /out of range/);
});

test('ways to choose an endpoint, and CAs of backends', () => {
  const taken: [unknown, unknown][] = [
    ['round-robin', { kind: 'round-robin' }],
    ['least-connections', { kind: 'least-connections' }],
    [{ hash: 'client-address' }, { kind: 'hash', key: 'client-address' }],
    [{ hash: 'path' }, { kind: 'hash', key: 'path' }],
    [{ hash: { header: 'X-User' } }, { kind: 'hash', key: 'header', name: 'x-user' }],
    [{ hash: { cookie: 'Session' } }, { kind: 'hash', key: 'cookie', name: 'Session' }],
  ];
  for (const [written, meant] of taken) assert.deepEqual(valueOf(balance, written), meant);
  for (const wrong of [
    'random',
    { hash: 'host' },
    { hash: { header: 'a', cookie: 'b' } },
    { hash: { cookie: 'a b' } },
    1,
  ]) {
    assert.match(problemOf(balance, wrong), /write |for example/);
  }
  assert.deepEqual(valueOf(caSources, ['./ca.pem', { issuer: 'local' }]), [
    { kind: 'file', path: './ca.pem' },
    { kind: 'issuer', name: 'local' },
  ]);
  for (const wrong of [[], { issuer: 1 }, { file: 'a' }, null])
    assert.match(problemOf(caSources, wrong), /write \.\/ca\.pem/);
});

test('TLS versions, cipher suites and groups are those that OpenSSL takes', () => {
  for (const two of ['1.2', 1.2, 'TLSv1.2', 'tls1.2']) assert.equal(valueOf(tlsVersion, two), 'TLSv1.2');
  assert.equal(valueOf(tlsVersion, 1.3), 'TLSv1.3');
  assert.equal(problemOf(tlsVersion, '1.1'), 'TLS 1.1 is no longer spoken (RFC 8996); write "1.2" or "1.3".');
  assert.match(problemOf(tlsVersion, 'SSLv3'), /is not a TLS version/);
  for (const name of tlsPresets.intermediate.ciphers) {
    assert.equal(valueOf(cipherSuite, name.toLowerCase()), name);
    assert.equal(isWeakCipher(name), false);
    createSecureContext({ ciphers: name });
  }
  assert.equal(isWeakCipher(valueOf(cipherSuite, 'AES128-GCM-SHA256')), true);
  assert.equal(isWeakCipher(valueOf(cipherSuite, 'ECDHE-RSA-AES128-SHA')), true);
  assert.match(problemOf(cipherSuite, 'ECDHE-RSA-AES128-GCM-SHA265'), /write ECDHE-RSA-AES128-GCM-SHA256\.$/);
  assert.match(problemOf(cipherSuite, 'TLS_AES_128_GCM_SHA256'), /^TLS_AES_128_GCM_SHA256 belongs to TLS 1\.3/);
  assert.match(problemOf(cipherSuite, 'PSK-AES128-GCM-SHA256'), /is not a cipher suite that can be used/);
  for (const group of [
    'x25519mlkem768',
    'SecP256r1MLKEM768',
    'SecP384r1MLKEM1024',
    'X25519',
    'X448',
    'P-256',
    'secp384r1',
    'P-521',
  ]) {
    createSecureContext({ ecdhCurve: valueOf(keyExchangeGroup, group) });
  }
  assert.equal(valueOf(keyExchangeGroup, 'P-256'), 'prime256v1');
  assert.match(problemOf(keyExchangeGroup, 'X25591'), /write X25519\.$/);
});
