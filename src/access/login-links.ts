/** One-time login links: printed at start, good for one login within ten minutes, kept in memory only. */
import { createHash, randomBytes } from 'node:crypto';
import type { Clock } from '../core/ports/clock.ts';
import type { Role } from './caller.ts';

export const loginLinkLifetimeMs = 600_000;
/** Links nobody used; older ones go first. */
const mostLinks = 100;

export interface LoginLinks {
  /** A new code (base64url, 256 bits). */
  create(role: Role): string;
  /** The role, once; undefined for a code that is unknown, used or expired. */
  consume(code: string): Role | undefined;
}

export function createLoginLinks({ clock }: { readonly clock: Clock }): LoginLinks {
  // Keyed by hash, so that looking a code up tells nothing about another by its timing.
  const links = new Map<string, { role: Role; createdAt: number }>();
  return {
    create(role) {
      const code = randomBytes(32).toString('base64url');
      for (const key of links.keys()) {
        if (links.size < mostLinks) break;
        links.delete(key);
      }
      links.set(digest(code), { role, createdAt: clock.now() });
      return code;
    },
    consume(code) {
      const key = digest(code);
      const link = links.get(key);
      links.delete(key);
      if (link === undefined) return undefined;
      const age = clock.now() - link.createdAt;
      // A clock that went back must not make a link live longer than it should.
      return age >= 0 && age < loginLinkLifetimeMs ? link.role : undefined;
    },
  };
}

function digest(code: string): string {
  return createHash('sha256').update(code).digest('base64url');
}
