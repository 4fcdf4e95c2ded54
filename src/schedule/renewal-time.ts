import { planRenewal, type RenewalPlan } from '../core/renewal.ts';
import type { CertificateRecord, VersionRecord } from '../core/records.ts';

const minute = 60_000;
const plans = new WeakMap<VersionRecord, { readonly ari: CertificateRecord['ari']; readonly plan: RenewalPlan }>();

/**
 * When the version in use is to be renewed. Never right after it was issued, whatever its dates say: an issuer whose
 * certificates are due at once would otherwise be asked without end.
 */
export function renewalPlan(record: CertificateRecord, current: VersionRecord): RenewalPlan {
  const known = plans.get(current);
  if (known !== undefined && known.ari === record.ari) return known.plan;
  const planned = planRenewal(record.id, current, record.ari);
  const lifetime = current.notAfter - current.notBefore;
  const left = Math.max(0, current.notAfter - current.issuedAt);
  const earliest = current.issuedAt + Math.min(minute, lifetime / 4, left / 2);
  const plan = { ...planned, at: Math.round(Math.min(Math.max(planned.at, earliest), current.notAfter)) };
  plans.set(current, { ari: record.ari, plan });
  return plan;
}
