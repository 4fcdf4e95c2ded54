/**
 * Where time comes in. `schedule`, `issue`, `acme`, `state`, `deliver` and `alert` read time nowhere else; pure functions take `now`.
 *
 * Guarantees: `now` is wall-clock time and may jump in either direction. `waitUntil` ends when wall-clock time has reached
 * its target, also after a suspend or a clock change (implementations re-read the wall clock at least every 30 s).
 * `sleep` takes the time it says whatever is done to the wall clock; a suspend may not count. So what is planned for a
 * time waits for that time, and what limits how long something may take sleeps.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /**
   * Resolves once `now() >= at` (milliseconds since the epoch); at once when that already holds.
   * Rejects with the signal's reason when aborted.
   */
  waitUntil(at: number, signal: AbortSignal): Promise<void>;
  /** Resolves after `ms`; negative and zero: on the next turn. Rejects with the signal's reason when aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}
