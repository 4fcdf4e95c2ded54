import { channel } from 'node:diagnostics_channel';
import type { CertificateId } from '../core/certificate.ts';

/**
 * `{ certificateId, step }` right after each state of an issuance has become durable, in the same turn: an issuer's own
 * steps (the one that comes next), then what follows the last of them.
 */
const orderSteps = channel('certplane:order:step');

/** The version record is durable; the certificate points at it; the order is gone and the feed has it. */
export const completionSteps = ['stored', 'in-use', 'finished'] as const;

export function announce(certificateId: CertificateId, step: string): void {
  if (orderSteps.hasSubscribers) orderSteps.publish({ certificateId, step });
}
