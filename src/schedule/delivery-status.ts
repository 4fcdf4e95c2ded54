/** Where the version in use has got to: outputs by what was last written, terminators by what they say they serve. Pure. */
import type { OutputSpec } from '../core/certificate.ts';
import type { ServedBy } from '../core/ports/control-view.ts';
import type { OutputState, VersionRecord } from '../core/records.ts';
import { worstDelivery, type DeliveryStatus, type Reason } from '../core/status.ts';
import { timeText } from '../core/time-text.ts';
import type { TerminatorRefusal } from '../state/terminators.ts';

/** Of an output. */
export function outputStatus(
  { id }: OutputSpec,
  state: OutputState | undefined,
  current: VersionRecord | undefined,
): DeliveryStatus {
  const base = { target: id, versionId: state?.versionId, at: state?.deliveredAt };
  const failure = state?.failure;
  if (state !== undefined && state.failures > 0 && failure !== undefined) {
    const again = state.retryAt === undefined ? '' : ` It is tried again ${timeText(state.retryAt)}.`;
    return { ...base, state: 'failed', reason: { code: failure.code, message: `${ended(failure.message)}${again}` } };
  }
  if (current === undefined) {
    return { ...base, state: 'none', reason: { code: 'nothing-to-deliver', message: 'There is no certificate yet.' } };
  }
  if (state?.versionId === current.id) {
    const when = state.deliveredAt === undefined ? '' : ` ${timeText(state.deliveredAt)}`;
    return { ...base, state: 'delivered', reason: { code: 'delivered', message: `Written${when}.` } };
  }
  const message = `Version ${current.number} is not written there yet.`;
  return { ...base, state: 'lagging', reason: { code: 'delivery-pending', message } };
}

/** A message may end with what a program printed. */
function ended(message: string): string {
  return /[.!?]$/.test(message) ? message : `${message}.`;
}

/** Of the connected terminators: each that serves it or refuses it. */
export function terminatorStatuses(
  servedBy: readonly ServedBy[],
  refusals: readonly TerminatorRefusal[],
  current: VersionRecord | undefined,
): DeliveryStatus[] {
  const refused = refusals.map(({ terminatorId, code, message }): DeliveryStatus => {
    return { target: `terminator:${terminatorId}`, state: 'failed', reason: { code, message } };
  });
  const targets = new Set(refused.map(({ target }) => target));
  const serving = servedBy
    .filter(({ connected, terminatorId }) => connected && !targets.has(`terminator:${terminatorId}`))
    .map(({ terminatorId, fingerprint256, versionId, since, serial }): DeliveryStatus => {
      const upToDate = fingerprint256.toLowerCase() === current?.fingerprint256;
      const reason = upToDate
        ? { code: 'served', message: `Served by ${terminatorId} since ${timeText(since)}.` }
        : { code: 'serves-other', message: `${terminatorId} still serves the version with serial ${serial}.` };
      const state = upToDate ? 'delivered' : 'lagging';
      return { target: `terminator:${terminatorId}`, state, reason, versionId, at: since };
    });
  return [...refused, ...serving];
}

/** All of them in one. */
export function overallDelivery(all: readonly DeliveryStatus[]): { state: DeliveryStatus['state']; reason: Reason } {
  const worst = worstDelivery(all);
  if (worst !== undefined) return { state: worst.state, reason: worst.reason };
  const message = 'It has no output and no terminator serves it.';
  return { state: 'none', reason: { code: 'no-target', message } };
}
