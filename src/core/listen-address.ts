import { isIP } from 'node:net';
import type { ListenAddress } from './terminator.ts';

/** `127.0.0.1:8484`, `[::1]:8484`: as it stands in a URL, a message or a configuration file. */
export function formatAddress({ host, port }: ListenAddress): string {
  return `${formatHost(host)}:${port}`;
}

/** IPv6 addresses in brackets. */
function formatHost(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

/** Whether only this machine reaches it: an address, or a name that always means this machine (RFC 6761 §6.3). */
export function isLoopback(host: string): boolean {
  const bare = host.toLowerCase().replace(/^\[|\]$/g, '');
  if (isIP(bare) === 4) return bare.startsWith('127.');
  if (isIP(bare) === 6) return bare === '::1' || bare === '0:0:0:0:0:0:0:1' || bare.startsWith('::ffff:127.');
  return bare === 'localhost' || bare.endsWith('.localhost');
}
