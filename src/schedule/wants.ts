/** Whether a certificate should be issued, and why. Pure. */
import { specDigest, type CertificateSpec } from '../core/certificate.ts';
import { canonicalNames } from '../core/names.ts';
import type { VersionRecord } from '../core/records.ts';
import type { Reason } from '../core/status.ts';
import { timeText } from '../core/time-text.ts';
import type { RegistryEntry } from '../state/registry.ts';
import { renewalPlan } from './renewal-time.ts';

const digests = new WeakMap<CertificateSpec, string>();

export function digestOf(spec: CertificateSpec): string {
  let digest = digests.get(spec);
  if (digest === undefined) digests.set(spec, (digest = specDigest(spec)));
  return digest;
}

export interface Want {
  readonly reason: Reason;
  /** Only a changed spec asks for it: the fleet brake applies (never §5.8). */
  readonly bySpec: boolean;
}

/** In order of weight: what passes the brake comes before what does not. */
export function wantOf({ record, current }: RegistryEntry, now: number): Want | undefined {
  if (current === undefined) return want('does-not-exist', 'There is no certificate yet.');
  if (current.notAfter <= now) return want('expired', `It ended ${timeText(current.notAfter)}.`);
  if (record.renewalRequestedAt !== undefined) return want('requested', 'A renewal was asked for.');
  const plan = renewalPlan(record, current);
  if (plan.at <= now && plan.basis === 'ari') return want('ari-past', 'The CA asks for a renewal by now (ARI).');
  if (plan.at <= now) return want('due', `Its renewal was planned for ${timeText(plan.at)}.`);
  const changed = specChange(record.spec, record.issuedDigest, current);
  return changed === undefined ? undefined : { reason: changed, bySpec: true };
}

function want(code: string, message: string): Want {
  return { reason: { code, message }, bySpec: false };
}

/** Issuers and outputs are no part of it: changing them re-issues nothing (never §5.8). */
function specChange(
  spec: CertificateSpec,
  issuedDigest: string | undefined,
  current: VersionRecord,
): Reason | undefined {
  if (issuedDigest === undefined || issuedDigest === digestOf(spec)) return undefined;
  if (canonicalNames(current.names).join(' ') !== canonicalNames(spec.dnsNames).join(' ')) {
    return { code: 'names-changed', message: `Its names changed to ${spec.dnsNames.join(', ')}.` };
  }
  const key = spec.key.algorithm === 'rsa' ? `RSA ${spec.key.size}` : `ECDSA P-${spec.key.size}`;
  if (current.keyAlgorithm !== key) return { code: 'key-changed', message: `Its key is to be ${key} now.` };
  return { code: 'lifetime-changed', message: 'Its lifetime changed.' };
}
