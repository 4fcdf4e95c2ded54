/** Who sent a request: the admin socket itself, a bearer token (RFC 6750) or a session cookie. */
import type { IncomingMessage } from 'node:http';
import type { Request } from 'express';
import { localCaller, type Caller } from '../access/caller.ts';
import { readSessionCookie } from '../access/session-cookie.ts';
import type { Sessions } from '../access/sessions.ts';
import type { Tokens } from '../access/tokens.ts';
import { cookiePlace } from './cookie-place.ts';

export interface AuthenticateDeps {
  readonly tokens: Tokens;
  readonly sessions: Sessions;
  /** Whether the request came over the admin socket. */
  readonly isLocal: (request: IncomingMessage) => boolean;
}

/**
 * Undefined: nobody we know. Credentials that do not hold count as none, also beside others that would. `peek` asks
 * without counting as a use.
 */
export type Authenticate = (request: Request, options?: { peek?: boolean }) => Promise<Caller | undefined>;

export function createAuthenticate({ tokens, sessions, isLocal }: AuthenticateDeps): Authenticate {
  return async (request, { peek = false } = {}) => {
    if (isLocal(request)) return localCaller;
    const { authorization, cookie } = request.headers;
    if (authorization !== undefined) {
      const token = /^bearer +(\S{1,200})$/i.exec(authorization)?.[1];
      const record = token === undefined ? undefined : await tokens.verify(token);
      return record === undefined ? undefined : { role: record.role, actor: `token:${record.id}`, local: false };
    }
    const secret = readSessionCookie(cookie, cookiePlace(request));
    return secret === undefined ? undefined : sessions.verify(secret, { peek });
  };
}
