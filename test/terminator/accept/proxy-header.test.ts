import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { readProxyHeader, type ProxyHeaderResult } from '../../../src/terminator/accept/proxy-header.ts';
import { proxyHeader } from '../../../src/terminator/upstream/proxy-protocol-out.ts';

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

function v1(text: string): ProxyHeaderResult {
  return readProxyHeader(Buffer.from(text, 'latin1'));
}

function v2(command: number, kind: number, payload: Buffer, length = payload.length): Buffer {
  return Buffer.concat([signature, Buffer.from([command, kind, length >> 8, length & 0xff]), payload]);
}

const ipv4 = Buffer.from([192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 0x01, 0xbb]);
const ends4 = { address: '192.0.2.1', port: 56_324, localAddress: '198.51.100.2', localPort: 443 };

test('version 1', () => {
  const line = 'PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n';
  assert.deepEqual(v1(line), { length: line.length, ends: ends4 });
  assert.deepEqual(v1(`${line}GET / HTTP/1.1\r\n`), { length: line.length, ends: ends4 });
  assert.deepEqual(v1('PROXY TCP6 2001:DB8::1 ::ffff:192.0.2.9 1 65535\r\n'), {
    length: 49,
    ends: { address: '2001:db8::1', port: 1, localAddress: '192.0.2.9', localPort: 65_535 },
  });
  assert.deepEqual(v1('PROXY UNKNOWN\r\nx'), { length: 15, ends: undefined });
  const longest = `PROXY UNKNOWN ${'f'.repeat(91)}\r\n`;
  assert.deepEqual(v1(longest), { length: 107, ends: undefined });
});

test('version 1 is refused in any other form', () => {
  for (const line of [
    'PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n',
    'PROXY  TCP4 192.0.2.1 198.51.100.2 56324 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 \r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 1\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 056324 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 -1 443\r\n',
    'PROXY TCP4 192.0.2 198.51.100.2 1 443\r\n',
    'PROXY TCP4 192.0.2.01 198.51.100.2 1 443\r\n',
    'PROXY TCP4 ::1 ::1 1 443\r\n',
    'PROXY TCP6 192.0.2.1 198.51.100.2 1 443\r\n',
    'PROXY TCP6 fe80::1%eth0 ::1 1 443\r\n',
    'PROXY UDP4 192.0.2.1 198.51.100.2 1 443\r\n',
    'PROXY UNKNOWNX\r\n',
    'PROXY \r\n',
    'proxy UNKNOWN\r\n',
    'PROXX',
    'GET / HTTP/1.1\r\n',
    `PROXY UNKNOWN ${'f'.repeat(92)}\r\n`,
    `PROXY TCP4 ${'1'.repeat(120)}`,
  ]) {
    const result = v1(line);
    assert.equal(result, line.endsWith('443\n') ? 'more' : 'malformed', line);
  }
});

test('version 2: addresses are read, what stands behind them is skipped', () => {
  assert.deepEqual(readProxyHeader(v2(0x21, 0x11, ipv4)), { length: 28, ends: ends4 });
  const withTlvs = Buffer.concat([ipv4, Buffer.from([0x03, 0, 4, 1, 2, 3, 4, 0x20, 0, 1, 7])]);
  assert.deepEqual(readProxyHeader(Buffer.concat([v2(0x21, 0x11, withTlvs), Buffer.from('x')])), {
    length: 28 + 11,
    ends: ends4,
  });
  const ipv6 = Buffer.alloc(36);
  ipv6.writeUInt16BE(0x2001, 0);
  ipv6[15] = 1;
  Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7]).copy(ipv6, 16);
  ipv6.writeUInt16BE(1, 32);
  ipv6.writeUInt16BE(2, 34);
  assert.deepEqual(readProxyHeader(v2(0x21, 0x21, ipv6)), {
    length: 52,
    ends: { address: '2001::1', port: 1, localAddress: '192.0.2.7', localPort: 2 },
  });
});

test('version 2: LOCAL, unix sockets, datagrams and unknown families leave the connection as it is', () => {
  for (const [header, length] of [
    [v2(0x20, 0, Buffer.alloc(0)), 16],
    [v2(0x20, 0x11, ipv4), 28],
    [v2(0x21, 0, Buffer.alloc(7)), 23],
    [v2(0x21, 0x31, Buffer.alloc(216)), 232],
    [v2(0x21, 0x12, ipv4), 28],
  ] as const)
    assert.deepEqual(readProxyHeader(header), { length, ends: undefined });
});

test('version 2 is refused when it says what is not defined, is too short for its addresses, or too long', () => {
  for (const header of [
    v2(0x11, 0x11, ipv4),
    v2(0x31, 0x11, ipv4),
    v2(0x22, 0x11, ipv4),
    v2(0x21, 0x41, ipv4),
    v2(0x21, 0x13, ipv4),
    v2(0x21, 0x11, ipv4.subarray(0, 11)),
    v2(0x21, 0x21, ipv4),
    v2(0x21, 0x31, Buffer.alloc(215)),
    v2(0x21, 0x11, ipv4, 16_385),
    v2(0x20, 0, Buffer.alloc(0), 0xffff),
    Buffer.from('\r\n\r\nX'),
  ])
    assert.equal(readProxyHeader(header), 'malformed', header.toString('hex'));
});

const octet = fc.nat(255);
const address4 = fc.tuple(octet, octet, octet, octet).map((octets) => octets.join('.'));
const caller = fc.record(
  {
    address: address4,
    port: fc.nat(65_535),
    localAddress: address4,
    localPort: fc.nat(65_535),
  },
  { noNullPrototype: true },
);

test('property: what a proxy writes is read, from any beginning of it more is wanted, and nothing behind it is taken', () => {
  fc.assert(
    fc.property(
      caller,
      fc.constantFrom('v1' as const, 'v2' as const),
      fc.uint8Array({ maxLength: 40 }),
      (ends, version, rest) => {
        const header = proxyHeader(version, ends);
        assert.deepEqual(readProxyHeader(Buffer.concat([header, rest])), { length: header.length, ends });
        for (let length = 0; length < header.length; length += 1)
          assert.equal(readProxyHeader(header.subarray(0, length)), 'more');
      },
    ),
  );
});

test('property: random bytes never throw, and nothing outside them matters', () => {
  const start = fc.constantFrom(
    Buffer.alloc(0),
    Buffer.from('PROXY '),
    Buffer.from('PROXY TCP4 '),
    signature,
    v2(0x21, 0x11, ipv4),
  );
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 260 }), (head, tail) => {
      const bytes = Buffer.concat([head, tail]);
      const slab = Buffer.concat([Buffer.alloc(64, 0xff), bytes, Buffer.alloc(64, 0x0a)]);
      assert.deepEqual(readProxyHeader(slab.subarray(64, 64 + bytes.length)), readProxyHeader(bytes));
    }),
    { numRuns: 3_000 },
  );
});
