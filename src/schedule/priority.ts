/** Where a certificate stands among those that could go on now. Pure. */
import type { RegistryEntry } from '../state/registry.ts';
import type { Decision } from './reconcile.ts';

const hour = 3_600_000;
/** Subtracted from the priority of what has begun: it goes before everything that has not. */
const begun = 1e14;

/** The issuer whose queue it stands in; none for what needs no issuer. */
export function queueOf(decision: Decision, { order }: RegistryEntry): string {
  return decision.action === 'finish' ? '' : (decision.issuer ?? order?.issuerName ?? '');
}

/**
 * What expires first goes first. What has begun goes before it; what a person waits for counts from when it was asked
 * for; a new certificate from an hour after it was, so that a thousand new ones do not let an old one expire.
 */
export function priorityOf({ action }: Decision, { record, current }: RegistryEntry): number {
  const deadline = record.renewalRequestedAt ?? current?.notAfter ?? record.createdAt + hour;
  // A damaged record may have no dates; it goes last instead of standing in the way.
  if (Number.isNaN(deadline)) return Number.MAX_VALUE;
  return action === 'issue' || action === 'renew' ? deadline : deadline - begun;
}
