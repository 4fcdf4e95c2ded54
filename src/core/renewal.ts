/** When to renew: a share of the lifetime of the certificate held, never a number of days. */
import { createHash } from 'node:crypto';

const day = 86_400_000;

export interface Lifetime {
  readonly notBefore: number;
  readonly notAfter: number;
}

/** ARI's suggested window (RFC 9773 §4.2), milliseconds since the epoch. Polled by the issuance issue; honoured here. */
export interface RenewalWindow {
  readonly start: number;
  readonly end: number;
}

export interface RenewalPlan {
  readonly at: number;
  readonly basis: 'ari' | 'lifetime';
  readonly message: string;
}

/** In [0, 1), the same for a certificate whenever it is asked: spreads a fleet without drawing again on every look. */
function stableJitter(certificateId: string, serial: string): number {
  return createHash('sha256').update(`${certificateId}\n${serial}`).digest().readUInt32BE(0) / 2 ** 32;
}

/** 2/3 of the lifetime, 1/2 when it is under 10 days; brought forward by up to 3% of the lifetime. ARI's window comes first. */
export function planRenewal(
  certificateId: string,
  version: Lifetime & { serial: string },
  ari?: RenewalWindow,
): RenewalPlan {
  const jitter = stableJitter(certificateId, version.serial);
  if (ari !== undefined && ari.end > ari.start) {
    return {
      at: Math.round(ari.start + jitter * (ari.end - ari.start)),
      basis: 'ari',
      message: 'A point in the window the CA suggests (ARI).',
    };
  }
  const lifetime = version.notAfter - version.notBefore;
  const [share, words] = lifetime < 10 * day ? [1 / 2, '1/2'] : [2 / 3, '2/3'];
  return {
    at: Math.round(version.notBefore + lifetime * share - jitter * 0.03 * lifetime),
    basis: 'lifetime',
    message: `At ${words} of its lifetime.`,
  };
}
