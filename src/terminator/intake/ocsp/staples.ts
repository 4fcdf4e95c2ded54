/** OCSP responses of the certificates in use: fetched before they are needed, and again before they run out. */
import { CertplaneError, toCertplaneError } from '../../../core/errors.ts';
import type { Clock } from '../../../core/ports/clock.ts';
import type { SlotId, SlotMaterial, WorkerChange } from '../../ipc/messages.ts';
import type { Problems } from '../problems.ts';
import { wait } from '../wait.ts';
import { requestFor, subjectOf, type Subject } from './certificate-id.ts';
import { askResponder } from './responder.ts';
import { judgeResponse, ResponseRefused } from './response.ts';

export interface StaplesDeps {
  readonly clock: Clock;
  readonly problems: Problems;
  /** What the slot has now. `rank` 0: it is our own, and may name a responder on this machine. */
  current(
    slot: SlotId,
  ): { readonly versionId: string; readonly certificateId: string; readonly rank: number } | undefined;
  /** Tells the workers. */
  apply(change: WorkerChange): void;
}

interface Held {
  readonly slot: SlotId;
  readonly versionId: string;
  readonly subject: Subject;
  /** DER in base64, and until when it holds. */
  response: { readonly text: string; readonly nextUpdate: number } | undefined;
  /** When to ask next. */
  dueAt: number;
  failures: number;
}

/** Certificates that workers have used most recently; each is asked for about twice in the life of its response. */
const mostHeld = 5_000;
const mostWithout = 50_000;
const parallel = 4;
const firstRetryMs = 60_000;
const longestRetryMs = 3_600_000;
const longestWaitMs = 86_400_000;
const shortestLifeMs = 60_000;

export class Staples {
  readonly #deps: StaplesDeps;
  readonly #held = new Map<SlotId, Held>();
  /** Versions without a responder. */
  readonly #none = new Map<SlotId, string>();
  #wanted = false;
  #wake = Promise.withResolvers<void>();

  constructor(deps: StaplesDeps) {
    this.#deps = deps;
  }

  /** Whether any policy staples. Without one, nobody is asked. */
  want(wanted: boolean): void {
    this.#wanted = wanted;
    this.#wake.resolve();
  }

  /** A worker is about to load it: with its staple, where there is one; otherwise one is fetched from now on. */
  attach(material: SlotMaterial): SlotMaterial {
    if (!this.#wanted) return material;
    const { slot, versionId } = material;
    const held = this.#held.get(slot);
    if (held?.versionId !== versionId) {
      this.#begin(material);
      return material;
    }
    this.#held.delete(slot);
    this.#held.set(slot, held); // used last
    const { response } = held;
    return response === undefined || response.nextUpdate <= this.#deps.clock.now()
      ? material
      : { ...material, staple: response.text };
  }

  /** Asks responders until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers();
      const due = [...this.#held.values()].filter(({ dueAt }) => this.#wanted && dueAt <= clock.now());
      if (due.length > 0) {
        await this.#refreshAll(due, signal);
        continue;
      }
      const next = Math.min(clock.now() + longestWaitMs, ...[...this.#held.values()].map(({ dueAt }) => dueAt));
      await wait(clock, this.#wanted ? next : clock.now() + longestWaitMs, { signal, wake: this.#wake.promise });
    }
  }

  #begin({ slot, versionId, bundle }: SlotMaterial): void {
    if (this.#none.get(slot) === versionId) return;
    this.#forget(slot);
    try {
      const subject = subjectOf(bundle.chainPem);
      if (subject === 'no-issuer') {
        throw new CertplaneError(
          'terminator.staple-missing',
          'Its chain does not contain the certificate that issued it.',
        );
      }
      if (subject === undefined) {
        this.#remember(slot, versionId);
        return;
      }
      this.#held.set(slot, { slot, versionId, subject, response: undefined, dueAt: 0, failures: 0 });
      for (const oldest of this.#held.keys()) {
        if (this.#held.size <= mostHeld) break;
        this.#forget(oldest);
      }
      this.#wake.resolve();
    } catch (error) {
      this.#remember(slot, versionId);
      this.#problem(slot, error);
    }
  }

  async #refreshAll(due: readonly Held[], signal: AbortSignal): Promise<void> {
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let held = due[next++]; held !== undefined && !signal.aborted; held = due[next++])
        await this.#refresh(held, signal);
    };
    await Promise.all(Array.from({ length: Math.min(parallel, due.length) }, worker));
  }

  async #refresh(held: Held, signal: AbortSignal): Promise<void> {
    const { slot, versionId, subject } = held;
    const { clock, problems } = this.#deps;
    const current = this.#deps.current(slot);
    if (current?.versionId !== versionId) {
      if (this.#held.get(slot) === held) this.#forget(slot);
      return;
    }
    try {
      const guarded = current.rank > 0;
      const bytes = await askResponder(subject.url, requestFor(subject), { guarded, signal });
      const { thisUpdate, nextUpdate } = judgeResponse(bytes, subject, clock.now());
      if (this.#held.get(slot) !== held) return;
      held.response = { text: bytes.toString('base64'), nextUpdate };
      held.failures = 0;
      // Half of its life is left for a responder that is down.
      held.dueAt = Math.max(clock.now() + shortestLifeMs, thisUpdate + (nextUpdate - thisUpdate) / 2);
      problems.clear(problemKey(slot));
      this.#tell(held);
    } catch (error) {
      if (signal.aborted || this.#held.get(slot) !== held) return;
      this.#failed(held, error);
    }
  }

  #failed(held: Held, error: unknown): void {
    const now = this.#deps.clock.now();
    held.dueAt = now + Math.min(longestRetryMs, firstRetryMs * 2 ** held.failures);
    held.failures += 1;
    const { response } = held;
    if (response !== undefined && response.nextUpdate <= now) {
      held.response = undefined;
      this.#tell(held);
    } else if (response !== undefined) held.dueAt = Math.min(held.dueAt, response.nextUpdate);
    this.#problem(held.slot, error);
  }

  #tell({ slot, versionId, response }: Held): void {
    this.#deps.apply({ kind: 'staple', slot, versionId, staple: response?.text });
  }

  #remember(slot: SlotId, versionId: string): void {
    if (this.#none.size >= mostWithout) this.#none.clear(); // looked at again, then
    this.#none.set(slot, versionId);
  }

  #problem(slot: SlotId, error: unknown): void {
    const subject = this.#deps.current(slot)?.certificateId ?? slot;
    this.#deps.problems.set(problemKey(slot), { ...problemOf(error), subject });
  }

  #forget(slot: SlotId): void {
    this.#held.delete(slot);
    this.#none.delete(slot);
    this.#deps.problems.clear(problemKey(slot));
  }
}

function problemOf(error: unknown): Pick<CertplaneError, 'code' | 'message'> {
  if (error instanceof ResponseRefused)
    return { code: 'terminator.staple-missing', message: `The OCSP response is not used. ${error.message}` };
  const { code, message } = toCertplaneError(error, 'terminator.staple-missing');
  return { code, message };
}

function problemKey(slot: SlotId): string {
  return `staple ${slot}`;
}
