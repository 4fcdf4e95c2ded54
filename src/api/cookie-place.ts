import type { Request } from 'express';
import type { CookiePlace } from '../access/session-cookie.ts';

/** TLS is the terminator's, which says so in a header that only loopback may send. */
export function cookiePlace({ secure, socket }: Request): CookiePlace {
  return { secure, port: socket.localPort ?? 0 };
}
