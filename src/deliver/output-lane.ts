/** One output of one certificate: looks what is to be done, does it, waits for the next retry, one thing at a time. */
import { nextAttemptAt } from '../core/backoff.ts';
import type { CertificateId, OutputSpec, VersionId } from '../core/certificate.ts';
import { toCertplaneError, type CertplaneError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Output } from '../core/ports/output.ts';
import type { CertificateRecord, OutputState, VersionRecord } from '../core/records.ts';
import type { DeliveryRegistry } from './delivery-registry.ts';
import { refuseOverNewer } from './newer-present.ts';
import type { Slots } from './slots.ts';

export interface LaneDeps {
  readonly registry: DeliveryRegistry;
  /** Called for each attempt, so that a changed specification takes effect with the next one. */
  readonly outputFor: (spec: OutputSpec, certificateId: CertificateId) => Output;
  readonly clock: Clock;
  readonly log: Log;
  readonly deliverySlots: Slots;
  readonly verificationSlots: Slots;
  /** Ends the lane. */
  readonly signal: AbortSignal;
}

/** What an output is to hold. */
interface Target {
  readonly record: CertificateRecord;
  readonly version: VersionRecord;
  readonly spec: OutputSpec;
  readonly state: OutputState;
}

type Action = { readonly kind: 'deliver' | 'verify' | 'nothing' } | { readonly kind: 'wait'; readonly until: number };

export class OutputLane {
  readonly #deps: LaneDeps;
  readonly #certificateId: CertificateId;
  readonly #outputId: string;
  readonly #log: Log;
  #running: Promise<void> | undefined;
  #woken = false;
  #waiting: AbortController | undefined;
  /** An outcome that could not be kept yet, and how often that failed. */
  #unrecorded: OutputState | undefined;
  #recordFailures = 0;
  /** The version of the last attempt in this process: a newer one does not wait for its retry. */
  #attempted: VersionId | undefined;
  /** The specification with which the output was last seen to hold what it should. */
  #verified: string | undefined;

  constructor(deps: LaneDeps, certificateId: CertificateId, outputId: string) {
    this.#deps = deps;
    this.#certificateId = certificateId;
    this.#outputId = outputId;
    this.#log = deps.log.child({ certificate: certificateId, output: outputId });
  }

  /** Something may have changed: look again. */
  wake(): void {
    this.#woken = true;
    this.#waiting?.abort();
    this.#running ??= this.#run();
  }

  /** Looks again if it waits for a time: the clock may have been set back, or there may be room to keep an outcome. */
  lookAgain(): void {
    this.#waiting?.abort();
  }

  get busy(): boolean {
    return this.#running !== undefined && this.#waiting === undefined;
  }

  /** Resolves when nothing runs in the lane; never rejects. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal, clock } = this.#deps;
    let failures = 0;
    while (this.#woken && !signal.aborted) {
      this.#woken = false;
      try {
        const until = await this.#step();
        failures = 0;
        if (until !== undefined) await this.#wait(until);
      } catch (error) {
        if (signal.aborted) break;
        failures += 1;
        this.#log.error('A delivery could not be worked on; it is tried again.', { error });
        await this.#wait(nextAttemptAt({ now: clock.now(), failures }));
      }
    }
    this.#running = undefined;
  }

  /** Does one thing. Gives the time at which to look again, or nothing when only a change can bring more work. */
  async #step(): Promise<number | undefined> {
    const target = this.#target();
    if (target === undefined) {
      this.#unrecorded = undefined;
      return undefined;
    }
    if (this.#unrecorded !== undefined) return await this.#record(this.#unrecorded);
    const action = this.#decide(target);
    switch (action.kind) {
      case 'nothing':
        return undefined;
      case 'wait':
        return action.until;
      case 'verify':
        return await this.#verify(target);
      case 'deliver':
        return await this.#deliver();
    }
  }

  #target(): Target | undefined {
    const entry = this.#deps.registry.entry(this.#certificateId);
    if (entry?.current === undefined || entry.record.removedAt !== undefined) return undefined;
    const spec = entry.record.spec.outputs.find((output) => output.id === this.#outputId);
    if (spec === undefined) return undefined;
    const state = entry.record.outputs[this.#outputId] ?? { failures: 0 };
    return { record: entry.record, version: entry.current, spec, state };
  }

  #decide({ version, spec, state }: Target): Action {
    const now = this.#deps.clock.now();
    if (state.failures > 0 && (this.#attempted ?? version.id) === version.id) {
      const until = state.retryAt ?? now;
      // A failure in the future means that the clock was set back: its retry time means nothing (never §5.11).
      const setBack = (state.failure?.at ?? now) > now;
      return until > now && !setBack ? { kind: 'wait', until } : { kind: 'deliver' };
    }
    if (state.failures > 0 || state.versionId !== version.id) return { kind: 'deliver' };
    return this.#verified === JSON.stringify(spec) ? { kind: 'nothing' } : { kind: 'verify' };
  }

  async #verify({ version, spec, state }: Target): Promise<number | undefined> {
    const { outputFor, verificationSlots, signal } = this.#deps;
    try {
      const output = outputFor(spec, this.#certificateId);
      const held = await verificationSlots.run(async () => await output.current(signal, version), signal);
      if (held?.fingerprint256 === version.fingerprint256 && held.intact) {
        this.#verified = JSON.stringify(spec);
        return undefined;
      }
    } catch (error) {
      return await this.#failed(error, version, state);
    }
    this.#log.warn('The output does not hold the certificate as it should; it is delivered again.');
    return await this.#deliver();
  }

  async #deliver(): Promise<number | undefined> {
    const { deliverySlots, signal } = this.#deps;
    return await deliverySlots.run(async (giveBack) => await this.#deliverNow(giveBack), signal);
  }

  async #deliverNow(onSwitched: () => void): Promise<number | undefined> {
    const { registry, outputFor, clock, signal } = this.#deps;
    const target = this.#target(); // again: a newer version may have come while this waited for its slot
    if (target === undefined) return undefined;
    const { record, version, spec, state } = target;
    this.#attempted = version.id;
    const output = outputFor(spec, this.#certificateId);
    try {
      const names = record.spec.dnsNames;
      refuseOverNewer({ held: await output.current(signal), version, state, names, now: clock.now() });
      const bundle = await registry.bundle(version.id, signal);
      const { id: versionId, fingerprint256, caPem, certificateId } = version;
      const deliverable = { certificateId, versionId, bundle, fingerprint256, caPem };
      await output.deliver(deliverable, signal, onSwitched);
    } catch (error) {
      return await this.#failed(error, version, state);
    }
    this.#verified = JSON.stringify(spec);
    this.#log.info('Delivered.', { version: version.id });
    return await this.#record({ ...delivered(version, clock.now()), failures: 0 });
  }

  async #failed(error: unknown, version: VersionRecord, state: OutputState): Promise<number | undefined> {
    const { clock, signal } = this.#deps;
    if (signal.aborted) throw error;
    const failure: CertplaneError = toCertplaneError(error);
    const now = clock.now();
    const failures = state.failures + 1;
    const retryAt = nextAttemptAt({ now, failures, notAfter: version.notAfter, retryAt: failure.retryAt });
    const inPlace = failure.code === 'output.reload-failed' || failure.code === 'output.reload-timeout';
    const present =
      inPlace && state.versionId !== version.id
        ? delivered(version, now)
        : { versionId: state.versionId, fingerprint256: state.fingerprint256, deliveredAt: state.deliveredAt };
    const { code, message } = failure;
    this.#log.warn('A delivery failed.', { version: version.id, code, message, failures, retryAt });
    return await this.#record({ ...present, failures, failure: { code, message, at: now }, retryAt });
  }

  /** Keeps the outcome, or remembers that it has to be kept. */
  async #record(state: OutputState): Promise<number | undefined> {
    const { registry, clock, signal } = this.#deps;
    this.#unrecorded = state;
    try {
      await registry.recordDelivery(this.#certificateId, this.#outputId, state, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      this.#recordFailures += 1;
      const { code, message } = toCertplaneError(error);
      this.#log.error('The outcome of a delivery could not be kept; it is tried again.', { code, message });
      return nextAttemptAt({ now: clock.now(), failures: this.#recordFailures });
    }
    this.#unrecorded = undefined;
    this.#recordFailures = 0;
    this.#woken = true;
    return undefined;
  }

  /** Until then, or until something may have changed. */
  async #wait(until: number): Promise<void> {
    const { clock, signal } = this.#deps;
    if (!this.#woken) {
      this.#waiting = new AbortController();
      const wake = (): void => {
        this.#woken = true;
      };
      await clock.waitUntil(until, AbortSignal.any([signal, this.#waiting.signal])).then(wake, wake);
      this.#waiting = undefined;
    }
  }
}

function delivered({ id, fingerprint256 }: VersionRecord, now: number): Omit<OutputState, 'failures'> {
  return { versionId: id, fingerprint256, deliveredAt: now };
}
