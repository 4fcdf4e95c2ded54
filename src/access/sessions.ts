/** Browser sessions: in memory, so that a restart ends them; the cookie's value is kept only as a hash. */
import { createHash, randomBytes } from 'node:crypto';
import type { Clock } from '../core/ports/clock.ts';
import type { Caller, Role } from './caller.ts';

/** A session ends this long after its last use. */
export const sessionIdleMs = 43_200_000;
const mostSessions = 1_000;

export interface SessionRequest {
  readonly role: Role;
  readonly actor: string;
  /** The token it was opened with: revoking that token ends it. */
  readonly tokenId?: string | undefined;
  /** It never outlives this, milliseconds since the epoch. */
  readonly expiresAt?: number | undefined;
}

export interface Sessions {
  /** The secret for the cookie. */
  open(request: SessionRequest): string;
  /** Who it is; moves the end of the session on unless `peek`. Undefined: no such session, or it is over. */
  verify(secret: string, options?: { peek?: boolean }): Caller | undefined;
  close(secret: string): void;
  closeOfToken(tokenId: string): void;
}

interface Session extends SessionRequest {
  usedAt: number;
}

export function createSessions({ clock }: { readonly clock: Clock }): Sessions {
  const sessions = new Map<string, Session>();
  const over = (session: Session, now: number): boolean =>
    now - session.usedAt >= sessionIdleMs || now >= (session.expiresAt ?? Infinity);

  function makeRoom(now: number): void {
    for (const [key, session] of sessions) if (over(session, now)) sessions.delete(key);
    for (const key of sessions.keys()) {
      if (sessions.size < mostSessions) break;
      sessions.delete(key);
    }
  }

  return {
    open(request) {
      const secret = randomBytes(32).toString('base64url');
      makeRoom(clock.now());
      sessions.set(digest(secret), { ...request, usedAt: clock.now() });
      return secret;
    },
    verify(secret, { peek = false } = {}) {
      const key = digest(secret);
      const session = sessions.get(key);
      if (session === undefined) return undefined;
      const now = clock.now();
      if (over(session, now)) {
        sessions.delete(key);
        return undefined;
      }
      if (!peek) {
        session.usedAt = now;
        // Last used last: the map's order is what makeRoom drops by.
        sessions.delete(key);
        sessions.set(key, session);
      }
      return { role: session.role, actor: session.actor, local: false };
    },
    close(secret) {
      sessions.delete(digest(secret));
    },
    closeOfToken(tokenId) {
      for (const [key, session] of sessions) if (session.tokenId === tokenId) sessions.delete(key);
    },
  };
}

function digest(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}
