/**
 * Where time comes in. `schedule`, `issue`, `acme`, `state`, `deliver` and `alert` read time nowhere else; pure functions take `now`.
 *
 * Guarantees: `now` is wall-clock time and may jump in either direction. A wait ends when wall-clock time has reached
 * its target, also after a suspend or a clock change (implementations re-read the wall clock at least every 30 s).
 */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /**
   * Resolves once `now() >= at` (milliseconds since the epoch); at once when that already holds.
   * Rejects with the signal's reason when aborted.
   */
  waitUntil(at: number, signal: AbortSignal): Promise<void>;
  /** `waitUntil(now() + ms, signal)`; negative and zero resolve on the next turn. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}
