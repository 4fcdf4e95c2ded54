/** Something with deadlines, looked at on every beat. */
export interface Pulsed {
  /** `now`: the pulse's time, milliseconds. */
  beat(now: number): void;
}

/**
 * Coarse time for timeouts of many connections: one timer while there are any, so that activity costs no more than
 * remembering `now`. It counts its own beats rather than the clock: when the process was held up (a long turn, a
 * suspend), what came in meanwhile is read before anything is found late.
 */
export class Pulse {
  now = 0;
  #everyMs: number;
  readonly #members = new Set<Pulsed>();
  #timer: NodeJS.Timeout | undefined;

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  set everyMs(everyMs: number) {
    if (everyMs === this.#everyMs) return;
    this.#everyMs = everyMs;
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#start();
  }

  add(member: Pulsed): void {
    this.#members.add(member);
    if (this.#timer === undefined) this.#start();
  }

  delete(member: Pulsed): void {
    this.#members.delete(member);
    if (this.#members.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #start(): void {
    this.#timer = setInterval(() => {
      this.now += this.#everyMs;
      for (const member of this.#members) member.beat(this.now);
    }, this.#everyMs);
    this.#timer.unref();
  }
}

/** How often to look, so that the shortest of these limits is kept within an eighth of itself. 0 is no limit. */
export function beatFor(limitsMs: readonly number[]): number {
  const shortest = Math.min(...limitsMs.filter((ms) => ms > 0), 4_000);
  return Math.max(10, Math.min(500, Math.floor(shortest / 8)));
}
