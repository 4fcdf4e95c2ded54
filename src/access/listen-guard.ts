/** The admin page has no TLS of its own, so it may listen on loopback only. */
import { isIP } from 'node:net';
import { CertplaneError } from '../core/errors.ts';
import type { ListenAddress } from '../core/route.ts';

export function isLoopback(host: string): boolean {
  const bare = host.toLowerCase().replace(/^\[|\]$/g, '');
  if (isIP(bare) === 4) return bare.startsWith('127.');
  if (isIP(bare) === 6) return bare === '::1' || bare === '0:0:0:0:0:0:0:1' || bare.startsWith('::ffff:127.');
  return bare === 'localhost' || bare.endsWith('.localhost');
}

/** Throws `access.insecure-listen`. */
export function assertSafeListen(listen: ListenAddress): void {
  if (isLoopback(listen.host)) return;
  throw new CertplaneError(
    'access.insecure-listen',
    `admin.listen is ${formatAddress(listen)}, which other machines can reach without TLS. Use 127.0.0.1:${listen.port} and ` +
      'an SSH tunnel, or add a route to it in the terminator and put its host into admin.hosts.',
  );
}

/** `127.0.0.1:8484`, `[::1]:8484`. */
export function formatAddress({ host, port }: ListenAddress): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}
