/** Sees to it that every output holds the current version of its certificate. */
import type { CertificateId, OutputSpec } from '../core/certificate.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Part } from '../core/ports/lifecycle.ts';
import type { Log } from '../core/ports/log.ts';
import type { Output } from '../core/ports/output.ts';
import type { DeliveryEntry, DeliveryRegistry } from './delivery-registry.ts';
import { OutputLane, type LaneDeps } from './output-lane.ts';
import { Slots } from './slots.ts';

export type { DeliveryEntry, DeliveryRegistry } from './delivery-registry.ts';

export interface DelivererDeps {
  readonly registry: DeliveryRegistry;
  readonly outputFor: (spec: OutputSpec, certificateId: CertificateId) => Output;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Deliverer extends Part {
  /** Looks at what waits again: a clock that was set back wakes nobody by itself. */
  lookAgain(): void;
  /** What is being done now: outputs, each with its certificate. */
  underWay(): readonly string[];
}

/** Deliveries at once, and looks at what outputs hold (at start, and after a changed specification). */
const deliverySlots = 8;
const verificationSlots = 4;

/**
 * One lane per output of a certificate: one thing at a time in a lane, the newest version always, failures retried on
 * the ladder (`core/backoff.ts`) and kept in `OutputState`. Lanes do not wait for each other. After a start each output
 * is asked what it holds, and what is missing is delivered again. Certificates that were removed are left as they are:
 * outputs are never deleted.
 *
 * `start` resolves when the lanes are under way, not when everything is delivered.
 */
export function createDeliverer({ registry, outputFor, clock, log }: DelivererDeps): Deliverer {
  const stop = new AbortController();
  const lanes = new Map<CertificateId, Map<string, OutputLane>>();
  const subscriptions = new DisposableStack();
  let laneDeps: LaneDeps | undefined;

  function look(deps: LaneDeps, id: CertificateId, entry: DeliveryEntry | undefined): void {
    const known = lanes.get(id) ?? new Map<string, OutputLane>();
    for (const { id: outputId } of entry?.record.spec.outputs ?? [])
      if (!known.has(outputId)) known.set(outputId, new OutputLane(deps, id, outputId));
    if (known.size > 0) lanes.set(id, known);
    // Lanes of outputs that are gone as well: they see that there is nothing to wait for any more.
    for (const lane of known.values()) lane.wake();
  }

  return {
    async start(signal) {
      signal.throwIfAborted();
      const deps = (laneDeps ??= {
        registry,
        outputFor,
        clock,
        log,
        deliverySlots: new Slots(deliverySlots, clock),
        verificationSlots: new Slots(verificationSlots, clock),
        signal: AbortSignal.any([signal, stop.signal]),
      });
      subscriptions.use(
        registry.onChange((ids) => {
          if (!deps.signal.aborted) for (const id of ids) look(deps, id, registry.entry(id));
        }),
      );
      for (const entry of registry.certificates()) look(deps, entry.record.id, entry);
    },
    lookAgain() {
      for (const outputs of lanes.values()) for (const lane of outputs.values()) lane.lookAgain();
    },
    underWay: () =>
      [...lanes].flatMap(([certificate, outputs]) =>
        [...outputs].flatMap(([output, lane]) => (lane.busy ? [`${output} of ${certificate}`] : [])),
      ),
    async [Symbol.asyncDispose]() {
      subscriptions.dispose();
      stop.abort();
      for (const outputs of lanes.values()) for (const lane of outputs.values()) await lane.idle();
    },
  };
}
