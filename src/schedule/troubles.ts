import type { CertificateId } from '../core/certificate.ts';
import { toCertplaneError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import { timeText } from '../core/time-text.ts';
import type { Refused } from './budget.ts';

/** Why a certificate could not be worked on, or not even be understood, and when it is tried again. */
export interface Trouble extends Refused {
  readonly at: number;
  readonly times: number;
}

const firstPauseMs = 5_000;
const longestPauseMs = 60_000;

/** Certificates whose last attempt ended in an error of ours: a store that cannot write, a record that makes no sense. */
export class Troubles {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #all = new Map<CertificateId, Trouble>();

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** One that was noted while the clock was ahead is over: no pause is longer than a minute (never §5.11). */
  get(id: CertificateId): Trouble | undefined {
    const trouble = this.#all.get(id);
    return trouble !== undefined && trouble.at > this.#clock.now() + longestPauseMs ? undefined : trouble;
  }

  note(id: CertificateId, error: unknown): Trouble {
    const { code, message } = toCertplaneError(error);
    const times = (this.#all.get(id)?.times ?? 0) + 1;
    const at = this.#clock.now() + Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(10, times - 1));
    const trouble = { code, message: `${message} It is tried again at ${timeText(at)}.`, at, times };
    this.#all.set(id, trouble);
    this.#log.error('A certificate could not be worked on.', { certificate: id, code, reason: message, error });
    return trouble;
  }

  delete(id: CertificateId): void {
    this.#all.delete(id);
  }
}
