/** Which of several certificates for one name is the better answer. */
import type { CertificateId } from '../../core/certificate.ts';

/** What decides. */
interface Rated {
  readonly slot: string;
  readonly certificateId: CertificateId;
  readonly source: string;
  /** Order among sources, the first one is 0. */
  readonly rank: number;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly keyAlgorithm?: string | undefined;
}

/** Why one comes before another. */
export type Precedence = 'valid' | 'rank' | 'later-end' | 'arbitrary';

export function isValid(entry: Rated, now: number): boolean {
  return entry.notBefore <= now && now < entry.notAfter;
}

/** The same with the other kind of key: one source's, both valid now. */
export function isAlternative(other: Rated, entry: Rated, now: number): boolean {
  const kind = keyKind(entry);
  const otherKind = keyKind(other);
  if (kind === undefined || otherKind === undefined || kind === otherKind) return false;
  return other.source === entry.source && isValid(other, now) && isValid(entry, now);
}

function keyKind({ keyAlgorithm }: Rated): 'rsa' | 'ecdsa' | undefined {
  if (keyAlgorithm === undefined) return undefined;
  if (keyAlgorithm.startsWith('RSA')) return 'rsa';
  return keyAlgorithm.startsWith('ECDSA') ? 'ecdsa' : undefined;
}

/** `bound`: the one certificate that may be it. */
export function best<T extends Rated>(
  entries: Iterable<T> | undefined,
  now: number,
  bound?: CertificateId,
): T | undefined {
  let winner: T | undefined;
  for (const entry of entries ?? []) {
    if (bound !== undefined && entry.certificateId !== bound) continue;
    if (winner === undefined || isBetter(entry, winner, now)) winner = entry;
  }
  return winner;
}

function isBetter(a: Rated, b: Rated, now: number): boolean {
  const valid = Number(isValid(a, now)) - Number(isValid(b, now));
  if (valid !== 0) return valid > 0;
  if (a.rank !== b.rank) return a.rank < b.rank;
  if (a.notAfter !== b.notAfter) return a.notAfter > b.notAfter;
  return a.slot < b.slot; // any order will do, as long as it is always the same
}

/** Why `a` came before `b`. */
export function precedence(a: Rated, b: Rated, now: number): Precedence {
  if (isValid(a, now) !== isValid(b, now)) return 'valid';
  if (a.rank !== b.rank) return 'rank';
  return a.notAfter === b.notAfter ? 'arbitrary' : 'later-end';
}
