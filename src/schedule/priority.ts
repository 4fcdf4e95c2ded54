/** Where a certificate stands among those that could go on now. Pure. */
import type { RegistryEntry } from '../state/registry.ts';
import type { Decision } from './reconcile.ts';

const hour = 3_600_000;
/** Subtracted from the priority of what has begun: it goes before everything that has not. */
const begun = 1e14;

/**
 * Where it waits for a slot: with its issuer (nobody's, for what needs none), and apart from what has begun there while
 * its order is still to be started.
 */
export interface Queue {
  readonly issuer: string;
  readonly starts: boolean;
}

export function queueOf({ action, issuer }: Decision, { order }: RegistryEntry): Queue {
  const starts = action === 'issue' || action === 'renew';
  return { issuer: action === 'finish' ? '' : (issuer ?? order?.issuerName ?? ''), starts };
}

export function isSameQueue(one: Queue, other: Queue): boolean {
  return one.issuer === other.issuer && one.starts === other.starts;
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
