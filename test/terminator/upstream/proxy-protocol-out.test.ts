import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { proxyHeader } from '../../../src/terminator/upstream/proxy-protocol-out.ts';

const v4 = { address: '192.0.2.7', port: 40_000, localAddress: '198.51.100.1', localPort: 443 };
const v6 = { address: '2001:db8::7', port: 1, localAddress: '::1', localPort: 65_535 };

test('version 1 is the line that the specification shows', () => {
  assert.equal(proxyHeader('v1', v4).toString(), 'PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\n');
  assert.equal(proxyHeader('v1', v6).toString(), 'PROXY TCP6 2001:db8::7 ::1 1 65535\r\n');
  assert.equal(proxyHeader('v1', undefined).toString(), 'PROXY UNKNOWN\r\n');
  assert.equal(proxyHeader('v1', { ...v4, address: '' }).toString(), 'PROXY UNKNOWN\r\n');
});

test('version 2 is the bytes that the specification shows', () => {
  const start = '0d0a0d0a000d0a515549540a';
  assert.equal(proxyHeader('v2', v4).toString('hex'), `${start}2111000cc0000207c63364019c4001bb`);
  const source = '20010db8000000000000000000000007';
  const destination = '00000000000000000000000000000001';
  assert.equal(proxyHeader('v2', v6).toString('hex'), `${start}21210024${source}${destination}0001ffff`);
  assert.equal(proxyHeader('v2', undefined).toString('hex'), `${start}20000000`);
  assert.equal(proxyHeader('v2', { ...v4, localAddress: 'x' }).toString('hex'), `${start}21000000`);
});

test('two families become one: IPv4 inside IPv6; a zone is left out', () => {
  const mixed = { ...v4, localAddress: 'fe80::1%eth0' };
  assert.equal(proxyHeader('v1', mixed).toString(), 'PROXY TCP6 ::ffff:192.0.2.7 fe80::1 40000 443\r\n');
  assert.match(proxyHeader('v2', mixed).toString('hex'), /00000000000000000000ffffc0000207fe80000000000000/);
});

test('any address gives a header of the length it announces', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.ipV4(), fc.ipV6()),
      fc.oneof(fc.ipV4(), fc.ipV6()),
      fc.nat(70_000),
      (address, localAddress, port) => {
        const caller = { address, localAddress, port, localPort: 1 };
        const v2 = proxyHeader('v2', caller);
        assert.equal(v2.length, 16 + v2.readUInt16BE(14));
        assert.ok(proxyHeader('v1', caller).length <= 107);
      },
    ),
  );
});
