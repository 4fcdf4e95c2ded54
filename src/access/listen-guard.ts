/** The admin page has no TLS of its own, so it may listen on loopback only. */
import { CertplaneError } from '../core/errors.ts';
import { formatAddress, isLoopback } from '../core/listen-address.ts';
import type { ListenAddress } from '../core/terminator.ts';

/** Throws `access.insecure-listen`. */
export function assertSafeListen(listen: ListenAddress): void {
  if (isLoopback(listen.host)) return;
  throw new CertplaneError(
    'access.insecure-listen',
    `admin.listen is ${formatAddress(listen)}, which other machines can reach without TLS. Use 127.0.0.1:${listen.port} and ` +
      'an SSH tunnel, or add a route to it in the terminator and put its host into admin.hosts.',
  );
}
