import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { clientOf, Networks, plainAddress } from '../../../src/terminator/accept/networks.ts';

test('an address is in the networks that contain it', () => {
  const networks = new Networks(['10.0.0.0/8', '192.0.2.7', 'fd00::/8', '2001:db8::1/128']);
  for (const address of ['10.0.0.0', '10.255.255.255', '192.0.2.7', 'fd12::9', '2001:db8::1'])
    assert.ok(networks.has(address), address);
  for (const address of ['11.0.0.1', '9.255.255.255', '192.0.2.8', 'fe80::1', '2001:db8::2', '::1', '', '/run/socket'])
    assert.ok(!networks.has(address), address);
  assert.ok(!new Networks([]).has('127.0.0.1'));
});

test('everybody has to be written out for each family', () => {
  const four = new Networks(['0.0.0.0/0']);
  assert.deepEqual([four.has('203.0.113.9'), four.has('2001:db8::1')], [true, false]);
  assert.ok(new Networks(['::/0']).has('2001:db8::1'));
});

function asNumber(octets: readonly number[]): number {
  return octets.reduce((sum, octet) => sum * 256 + octet, 0);
}

test('property: an IPv4 network has the addresses that share its first bits', () => {
  const octets = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255));
  fc.assert(
    fc.property(octets, octets, fc.nat(32), (network, address, bits) => {
      const block = 2 ** (32 - bits);
      const same = Math.floor(asNumber(network) / block) === Math.floor(asNumber(address) / block);
      assert.equal(new Networks([`${network.join('.')}/${bits}`]).has(address.join('.')), same);
    }),
  );
});

test('addresses are shown without zone, and IPv4 as IPv4', () => {
  assert.equal(plainAddress('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(plainAddress('::FFFF:192.0.2.1'), '192.0.2.1');
  assert.equal(plainAddress('fe80::1%eth0'), 'fe80::1');
  assert.equal(plainAddress('::1'), '::1');
  assert.equal(plainAddress(''), '');
});

test('a client is an IPv4 address or an IPv6 /64, however it is written', () => {
  assert.equal(clientOf('192.0.2.1'), '192.0.2.1');
  const same = ['2001:db8::1', '2001:DB8:0:0:ffff::', '2001:0db8:0000:0000:1:2:3:4', '2001:db8::'];
  assert.deepEqual(new Set(same.map((address) => clientOf(address))), new Set(['2001:db8:0:0/64']));
  assert.equal(clientOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2/64');
  assert.equal(clientOf('::1'), '0:0:0:0/64');
  assert.equal(clientOf('::2:3:4:5:6:7:8'), '0:2:3:4/64');
  assert.equal(clientOf('64:ff9b::192.0.2.1'), '64:ff9b:0:0/64');
});

test('property: the /64 of an address is that of its first four groups', () => {
  const group = fc.nat(0xffff);
  fc.assert(
    fc.property(fc.tuple(group, group, group, group, group, group, group, group), fc.boolean(), (groups, compress) => {
      const text = groups.map((one) => one.toString(16)).join(':');
      const written = compress ? new URL(`http://[${text}]/`).hostname.slice(1, -1) : text;
      const expected = groups.slice(0, 4).map((one) => one.toString(16));
      assert.equal(clientOf(written), `${expected.join(':')}/64`);
    }),
  );
});
