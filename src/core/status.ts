/** Status is three independent fields, each with a reason code and a sentence (never §5.12). */

export type Phase = 'pending' | 'issuing' | 'ready' | 'renewing' | 'failing' | 'expired';
export type DeliveryState = 'none' | 'delivered' | 'lagging' | 'failed';
export type ManagedState = 'managed' | 'paused' | 'removed' | 'observed';

/** A stable code for machines (`kebab-case`, or an error code) and one sentence for people. */
export interface Reason {
  readonly code: string;
  readonly message: string;
}

export interface Status {
  readonly phase: Phase;
  readonly phaseReason: Reason;
  readonly delivery: DeliveryState;
  readonly deliveryReason: Reason;
  readonly managed: ManagedState;
  readonly managedReason: Reason;
}

/** Delivery of one output or endpoint. */
export interface DeliveryStatus {
  /** An output's id, or `terminator:<id>`. */
  readonly target: string;
  readonly state: DeliveryState;
  readonly reason: Reason;
  /** Version delivered there, if any. */
  readonly versionId?: string | undefined;
  readonly at?: number | undefined;
}

const order: readonly DeliveryState[] = ['failed', 'lagging', 'delivered', 'none'];

/** The worst of several: failed, lagging, delivered, none. */
export function worstDelivery(all: readonly DeliveryStatus[]): DeliveryStatus | undefined {
  return all.toSorted((a, b) => order.indexOf(a.state) - order.indexOf(b.state))[0];
}
