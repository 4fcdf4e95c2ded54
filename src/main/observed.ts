/** Certificates that terminators read from elsewhere (a directory, Secrets): watched, never renewed. */
import type { CertificateView, ServedBy } from '../core/ports/control-view.ts';
import type { Reason } from '../core/status.ts';
import { timeText } from '../core/time-text.ts';

export function observedCertificates(served: readonly ServedBy[], now: number): CertificateView[] {
  const byId = Map.groupBy(served, ({ certificateId }) => certificateId);
  return [...byId].map(([id, servedBy]) => observed(id, servedBy, now));
}

function observed(id: string, servedBy: readonly ServedBy[], now: number): CertificateView {
  // Several terminators may serve different versions; the one that ends first is the one to worry about.
  const first = servedBy.toSorted((a, b) => a.notAfter - b.notAfter)[0] as ServedBy;
  const expired = first.notAfter <= now;
  const reason: Reason = expired
    ? { code: 'certificate.expired', message: `It ended ${timeText(first.notAfter)}.` }
    : { code: 'valid', message: `It is valid until ${timeText(first.notAfter)}.` };
  const nobody: Reason = {
    code: 'observed',
    message: `It is read from ${first.source}; whoever puts it there renews it.`,
  };
  return {
    id,
    name: id.replace(/^seen\/[^/]+\//, ''),
    names: first.names,
    status: {
      phase: expired ? 'expired' : 'ready',
      phaseReason: reason,
      delivery: 'delivered',
      deliveryReason: {
        code: 'served',
        message: `Served by ${servedBy.map(({ terminatorId }) => terminatorId).join(', ')}.`,
      },
      managed: 'observed',
      managedReason: nobody,
    },
    deliveries: [],
    next: { action: 'none', reason: nobody },
    servedBy,
  };
}
