/**
 * Frames that cost us work and move nothing: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA, unknown ones
 * (CVE-2019-9511 and those after it). A client starts with a stock of them, and earns more by what it really exchanges;
 * one that sends nothing else runs out.
 */
const most = 2_000;
const start = 1_000;
const perSecond = 20;

export class FrameAllowance {
  #left = start;

  /** False: there is nothing left. */
  spend(frames: number): boolean {
    this.#left -= frames;
    return this.#left >= 0;
  }

  earn(frames: number): void {
    this.#left = Math.min(most, this.#left + frames);
  }

  pass(ms: number): void {
    this.earn((perSecond * ms) / 1000);
  }
}

const minuteMs = 60_000;

/** Streams reset within the last minute (rapid reset, CVE-2023-44487), counted in two halves of a moving minute. */
export class ResetCount {
  #minute = 0;
  #now = 0;
  #before = 0;

  /** One more at `now` (milliseconds); false: more than `most` in a minute. */
  add(now: number, most: number): boolean {
    const minute = Math.floor(now / minuteMs);
    if (minute !== this.#minute) {
      this.#before = minute === this.#minute + 1 ? this.#now : 0;
      this.#now = 0;
      this.#minute = minute;
    }
    this.#now += 1;
    const share = 1 - (now - minute * minuteMs) / minuteMs;
    return this.#now + this.#before * share <= most;
  }
}
