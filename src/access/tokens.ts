/** API tokens: made once, shown once, kept as a hash. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { CertplaneError, hasCode } from '../core/errors.ts';
import type { CertificateStore, Stored } from '../core/ports/certificate-store.ts';
import type { Clock } from '../core/ports/clock.ts';
import { silentLog, type Log } from '../core/ports/log.ts';
import type { HistoryEntry, TokenRecord } from '../core/records.ts';
import type { Role } from './caller.ts';

export interface TokensDeps {
  readonly store: CertificateStore;
  readonly clock: Clock;
  readonly log?: Log | undefined;
}

export interface TokenRequest {
  readonly label: string;
  readonly role: Role;
  /** Milliseconds it is good for; absent: until it is revoked. */
  readonly ttlMs?: number | undefined;
  /** Who asked, for history. */
  readonly actor?: string | undefined;
}

export interface CreatedToken {
  /** The only time it is ever visible. */
  readonly token: string;
  readonly record: TokenRecord;
}

/** Methods throw what the store throws. */
export interface Tokens {
  create(request: TokenRequest, signal?: AbortSignal): Promise<CreatedToken>;
  /** Newest first, expired ones included. */
  list(signal?: AbortSignal): Promise<readonly TokenRecord[]>;
  /** Throws `store.not-found`. */
  revoke(id: string, actor: string, signal?: AbortSignal): Promise<void>;
  /** The record, or undefined for anything that is no valid token now; it never says why. */
  verify(token: string, signal?: AbortSignal): Promise<TokenRecord | undefined>;
  /** Whether a token that was verified before still counts (not revoked, not expired). */
  active(id: string, signal?: AbortSignal): Promise<boolean>;
}

/** `lastUsedAt` is written at most this often per token: a poller must not turn every look into a write. */
const lastUsedStepMs = 60_000;
const pattern = /^cp_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;
const listPage = 1_000;

export function createTokens(deps: TokensDeps): Tokens {
  const { store, clock, log = silentLog } = deps;
  const current = (record: TokenRecord): boolean => record.expiresAt === undefined || record.expiresAt > clock.now();

  async function noteUse({ key, revision, value }: Stored<'token'>): Promise<TokenRecord> {
    const now = clock.now();
    if (value.lastUsedAt !== undefined && now - value.lastUsedAt < lastUsedStepMs && now >= value.lastUsedAt)
      return value;
    const used: TokenRecord = { ...value, lastUsedAt: now };
    try {
      await store.put('token', { key, value: used, expect: { revision } });
    } catch (error) {
      // Another request noted it first, or it was revoked meanwhile: the next request finds out. A full disk must not
      // lock people out of the page that shows them that the disk is full.
      if (hasCode(error, 'store.conflict')) return value;
      if (!hasCode(error, 'store.unavailable')) throw error;
      log.warn('The last use of a token could not be noted.', { tokenId: value.id, error });
    }
    return used;
  }

  async function note(entry: Pick<HistoryEntry, 'code' | 'message' | 'actor'>): Promise<void> {
    try {
      await store.append({ at: clock.now(), kind: 'admin', ...entry });
    } catch (error) {
      // History may be lossy; what it tells of has happened and its answer must reach the caller.
      log.error('A history entry could not be kept.', { code: entry.code, error });
    }
  }

  return {
    async create({ label, role, ttlMs, actor = 'cli' }, signal) {
      const id = randomBytes(6).toString('hex');
      const token = `cp_${id}_${randomBytes(32).toString('base64url')}`;
      const now = clock.now();
      const record: TokenRecord = {
        id,
        label,
        role,
        hash: hashOf(token).toString('hex'),
        createdAt: now,
        ...(ttlMs === undefined ? {} : { expiresAt: now + ttlMs }),
      };
      await store.put('token', { key: id, value: record, expect: 'absent' }, signal);
      await note({ code: 'token.created', message: `A token for the role ${role} was created: ${label}.`, actor });
      return { token, record };
    },

    async list(signal) {
      const records: TokenRecord[] = [];
      for (let after: string | undefined; ;) {
        const page = await store.list('token', { limit: listPage, ...(after === undefined ? {} : { after }) }, signal);
        records.push(...page.items.map((item) => item.value));
        if (page.next === undefined) break;
        after = page.next;
      }
      return records.toSorted((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? -1 : 1));
    },

    async revoke(id, actor, signal) {
      const found = await store.find('token', id, signal);
      if (found === undefined) throw new CertplaneError('store.not-found', `There is no token with the id ${id}.`);
      await store.delete('token', id, 'any', signal);
      await note({ code: 'token.revoked', message: `The token ${found.value.label} was revoked.`, actor });
    },

    async verify(token, signal) {
      const id = pattern.exec(token)?.[1];
      if (id === undefined) return undefined;
      const found = await store.find('token', id, signal);
      if (found === undefined || !timingSafeEqual(hashOf(token), Buffer.from(found.value.hash, 'hex')))
        return undefined;
      return current(found.value) ? await noteUse(found) : undefined;
    },

    async active(id, signal) {
      const found = await store.find('token', id, signal);
      return found !== undefined && current(found.value);
    },
  };
}

/** A plain digest is enough: the token has 256 random bits, so there is nothing to slow a guesser down for. */
function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
