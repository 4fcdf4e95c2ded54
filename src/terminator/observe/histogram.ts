/** Counts of durations by bucket, between two reports. */

/** Upper bounds in seconds: from what a proxy adds to what a person gives up on. */
export const durationBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] as const;

export interface HistogramCounts {
  /** One more than there are bounds; not cumulative. */
  readonly counts: readonly number[];
  readonly sumSeconds: number;
}

export class Histogram {
  #counts = emptyBuckets();
  #sumSeconds = 0;

  /** Something has been observed since the last `take`. */
  used = false;

  observe(ms: number): void {
    this.used = true;
    const seconds = ms / 1000;
    let bucket = 0;
    while (bucket < durationBounds.length && seconds > (durationBounds[bucket] as number)) bucket += 1;
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#sumSeconds += seconds;
  }

  /** The counts since the last call. */
  take(): HistogramCounts {
    const taken = { counts: this.#counts, sumSeconds: this.#sumSeconds };
    this.#counts = emptyBuckets();
    this.#sumSeconds = 0;
    this.used = false;
    return taken;
  }
}

function emptyBuckets(): number[] {
  return Array.from({ length: durationBounds.length + 1 }, () => 0);
}
