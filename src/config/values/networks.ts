/** Networks in CIDR notation: `10.0.0.0/8`, `fd00::/8`; a lone address is a network of one. */
import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import { describeValue, type Parser } from './parsed.ts';

/** In its one canonical form, with the prefix length written out. */
export const network: Parser<string> = (value) => {
  if (typeof value !== 'string' || value.length > 100) return { problem: notANetwork(value) };
  const [, address = '', length] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(value.trim()) ?? [];
  const bits = isIPv4(address) ? 32 : isIPv6(address) && !address.includes('%') ? 128 : 0;
  if (bits === 0) return { problem: notANetwork(value) };
  const prefix = length === undefined ? bits : Number(length);
  if (prefix > bits) {
    return { problem: `${describeValue(value)} has more than ${bits} bits; write ${address}/${bits}.` };
  }
  const canonical = canonicalAddress(address, bits);
  if (canonical.startsWith('::ffff:')) {
    return {
      problem: `IPv4 networks are written as such; write for example 10.0.0.0/8 in place of ${describeValue(value)}.`,
    };
  }
  const first = masked(canonical, prefix, bits);
  if (first === canonical) return { value: `${first}/${prefix}` };
  return { problem: `${describeValue(value)} has bits behind its prefix; write ${quoted(`${first}/${prefix}`)}.` };
};

/** Every address there is. */
export function isEverything(cidr: string): boolean {
  return cidr.endsWith('/0');
}

function notANetwork(value: unknown): string {
  return `${describeValue(value)} is not a network; write for example 10.0.0.0/8, "fd00::/8" or 192.0.2.7.`;
}

function quoted(cidr: string): string {
  return cidr.includes(':') ? `"${cidr}"` : cidr;
}

function canonicalAddress(address: string, bits: number): string {
  return bits === 32 ? address : new SocketAddress({ address, family: 'ipv6' }).address;
}

/** The network's first address. */
function masked(address: string, prefix: number, bits: number): string {
  const unit = bits === 32 ? 8 : 16;
  const kept = groupsOf(address, bits).map((group, i) => {
    const own = Math.min(unit, Math.max(0, prefix - i * unit));
    return group & (0xffff << (unit - own)) & ((1 << unit) - 1);
  });
  return bits === 32 ? kept.join('.') : canonicalAddress(kept.map((group) => group.toString(16)).join(':'), bits);
}

/** Bytes of an IPv4 address, 16-bit groups of an IPv6 one. */
function groupsOf(address: string, bits: number): number[] {
  if (bits === 32) return address.split('.').map(Number);
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const hex =
    dotted === null
      ? address
      : address.slice(0, dotted.index) +
        [0, 2].map((i) => (Number(dotted[i + 1]) * 256 + Number(dotted[i + 2])).toString(16)).join(':');
  const [head = '', tail] = hex.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const missing = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...Array.from({ length: missing }, () => '0'), ...after].map((group) => parseInt(group, 16));
}
