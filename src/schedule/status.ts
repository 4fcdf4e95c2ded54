/** Status, next action and deliveries of one certificate as everybody shows them (never §5.12). Pure. */
import type { NextAction, ServedBy } from '../core/ports/control-view.ts';
import type { DeliveryStatus, Phase, Reason, Status } from '../core/status.ts';
import { timeText } from '../core/time-text.ts';
import type { RegistryEntry } from '../state/registry.ts';
import type { TerminatorRefusal } from '../state/terminators.ts';
import { outputStatus, overallDelivery, terminatorStatuses } from './delivery-status.ts';
import type { Decision } from './reconcile.ts';
import { renewalPlan } from './renewal-time.ts';

export interface StatusContext {
  readonly now: number;
  /** What the scheduler would do; absent where none runs. */
  readonly decision?: Decision | undefined;
  readonly servedBy: readonly ServedBy[];
  /** What connected terminators refuse of it. */
  readonly refusals?: readonly TerminatorRefusal[] | undefined;
}

export interface DescribedStatus {
  readonly status: Status;
  readonly deliveries: readonly DeliveryStatus[];
  readonly next: NextAction;
  /** When the version in use is planned to be renewed. */
  readonly renewAt: number | undefined;
}

const minute = 60_000;
const hour = 60 * minute;

/** A renewal takes a moment; it is overdue when it has not happened after 1/24 of the lifetime, 1 min to 1 h. */
function overdueSince({ record, current }: RegistryEntry, now: number): number | undefined {
  if (current === undefined || record.removedAt !== undefined) return undefined;
  const { at } = renewalPlan(record, current);
  const grace = Math.max(minute, Math.min(hour, (current.notAfter - current.notBefore) / 24));
  return now > at + grace ? at : undefined;
}

export function describeStatus(entry: RegistryEntry, context: StatusContext): DescribedStatus {
  const { record, current } = entry;
  const { servedBy, refusals = [] } = context;
  const deliveries = [
    ...record.spec.outputs.map((output) => outputStatus(output, record.outputs[output.id], current)),
    ...terminatorStatuses(servedBy, refusals, current),
  ];
  const delivery = overallDelivery(deliveries);
  const { phase, reason } = phaseOf(entry, context);
  const removed = record.removedAt !== undefined;
  const status: Status = {
    phase,
    phaseReason: reason,
    delivery: delivery.state,
    deliveryReason: delivery.reason,
    managed: removed ? 'removed' : 'managed',
    managedReason: removed
      ? {
          code: 'removed',
          message: `It left the configuration ${timeText(record.removedAt)}; it is not renewed any more.`,
        }
      : { code: 'wanted', message: 'It is in the configuration.' },
  };
  const renewAt = current === undefined || removed ? undefined : renewalPlan(record, current).at;
  return { status, deliveries, next: nextAction(entry, context), renewAt };
}

function phaseOf(entry: RegistryEntry, { now, decision }: StatusContext): { phase: Phase; reason: Reason } {
  const { record, current, order } = entry;
  const underWay = order !== undefined && order.abandoning !== true ? order : undefined;
  const failure = record.failures > 0 ? record.lastFailure : undefined;
  const held = decision?.action === 'wait' ? decision.reason : undefined;
  if (current !== undefined && current.notAfter <= now) {
    const why = failure?.message ?? held?.message ?? '';
    return {
      phase: 'expired',
      reason: { code: 'certificate.expired', message: `It ended ${timeText(current.notAfter)}. ${why}`.trim() },
    };
  }
  const since = overdueSince(entry, now);
  const overdue = since === undefined ? '' : `Its renewal is overdue since ${timeText(since)}: `;
  if (failure !== undefined) {
    return { phase: 'failing', reason: { code: failure.code, message: `${overdue}${failure.message}` } };
  }
  if (underWay !== undefined) {
    const doing = decision?.want === undefined ? underWay.reason.message : decision.reason.message;
    const reason = { code: overdue === '' ? underWay.reason.code : 'overdue', message: `${overdue}${doing}` };
    return { phase: current === undefined ? 'issuing' : 'renewing', reason };
  }
  if (current === undefined) {
    const reason = decision?.reason ?? { code: 'does-not-exist', message: 'There is no certificate yet.' };
    return { phase: 'pending', reason };
  }
  if (overdue !== '') {
    const why = decision?.reason.message ?? 'no reason is known.';
    return { phase: 'ready', reason: { code: 'overdue', message: `${overdue}${why}` } };
  }
  if (current.notBefore > now) {
    const message = `It is valid from ${timeText(current.notBefore)} only; check this machine's clock.`;
    return { phase: 'ready', reason: { code: 'certificate.not-yet-valid', message } };
  }
  if (held !== undefined) return { phase: 'ready', reason: held };
  return { phase: 'ready', reason: { code: 'valid', message: `It is valid until ${timeText(current.notAfter)}.` } };
}

function nextAction(entry: RegistryEntry, { decision }: StatusContext): NextAction {
  const issuance = nextIssuance(entry, decision);
  const retries = Object.values(entry.record.outputs).flatMap(({ retryAt, failures, failure }) =>
    failures > 0 && retryAt !== undefined && failure !== undefined ? [{ at: retryAt, failure }] : [],
  );
  const [first] = retries.toSorted((a, b) => a.at - b.at);
  if (first === undefined) return issuance;
  const begins = issuance.action !== 'none' && (issuance.at === undefined || issuance.at <= first.at);
  if (begins) return issuance;
  const { code, message } = first.failure;
  return { action: 'deliver', at: first.at, reason: { code, message: `The last delivery failed: ${message}` } };
}

function nextIssuance({ record, current, order }: RegistryEntry, decision: Decision | undefined): NextAction {
  const verb = current === undefined ? 'issue' : 'renew';
  const none = { code: 'nothing-planned', message: 'Nothing is planned.' };
  if (decision === undefined) {
    if (current === undefined || record.removedAt !== undefined) return { action: 'none', reason: none };
    const { at, message } = renewalPlan(record, current);
    return { action: 'renew', at, reason: { code: 'not-due', message } };
  }
  const { action, reason, at } = decision;
  const time = at === undefined ? {} : { at };
  switch (action) {
    case 'issue':
    case 'renew':
    case 'step':
      return { action: verb, reason, ...time };
    case 'wait': {
      const again = record.failures > 0 && order === undefined;
      return { action: again ? 'retry' : verb, reason, ...time };
    }
    case 'finish':
      return { action: 'deliver', reason };
    case 'none':
      if (at === undefined) return { action: 'none', reason };
      return { action: reason.code === 'not-due' ? 'renew' : 'deliver', reason, at };
    case 'abandon':
      return { action: record.removedAt === undefined ? verb : 'none', reason };
  }
}
