import { BlockList, isIP } from 'node:net';

const forbidden = new BlockList();
forbidden.addSubnet('127.0.0.0', 8);
forbidden.addSubnet('0.0.0.0', 8); // "this host": connecting there reaches loopback
forbidden.addSubnet('169.254.0.0', 16);
forbidden.addAddress('::1', 'ipv6');
forbidden.addAddress('::', 'ipv6');
forbidden.addSubnet('fe80::', 10, 'ipv6');

/**
 * Whether a name may not lead here: loopback and link-local addresses (cloud metadata among them) are reached only by
 * writing them out, so that whoever controls a name does not reach what only this machine may (never §5.14).
 * IPv4 inside IPv6 counts as IPv4.
 */
export function isForbidden(address: string): boolean {
  const family = isIP(address);
  return family === 0 || forbidden.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

/** Names that are as good as an address written out. */
export function mayBeLoopback(host: string): boolean {
  return host.replace(/\.$/, '').toLowerCase() === 'localhost';
}
