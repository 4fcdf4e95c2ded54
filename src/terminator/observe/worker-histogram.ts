import { Histogram } from 'prom-client';
import { durationBounds, type HistogramCounts } from './histogram.ts';

interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** A histogram of what workers have counted already; prom-client's own takes single observations only. */
export class WorkerHistogram extends Histogram {
  readonly #name: string;
  readonly #help: string;
  readonly #label: string;
  readonly #totals = new Map<string, { readonly counts: number[]; sum: number }>();

  constructor(name: string, help: string, label: string) {
    super({ name, help, labelNames: [label], registers: [], buckets: [...durationBounds] });
    this.#name = name;
    this.#help = help;
    this.#label = label;
  }

  /** Counts since the last call, by the label's value. */
  add(all: Readonly<Record<string, HistogramCounts>>): void {
    for (const [value, { counts, sumSeconds }] of Object.entries(all)) {
      let total = this.#totals.get(value);
      if (total === undefined) this.#totals.set(value, (total = { counts: counts.map(() => 0), sum: 0 }));
      for (const [i, count] of counts.entries()) total.counts[i] = (total.counts[i] ?? 0) + count;
      total.sum += sumSeconds;
    }
  }

  /** What the registry asks every metric for. */
  override get(): ReturnType<Histogram['get']> {
    const values: Sample[] = [];
    for (const [value, { counts, sum }] of this.#totals) {
      let below = 0;
      for (const [i, count] of counts.entries()) {
        below += count;
        const labels = { [this.#label]: value, le: durationBounds[i] ?? '+Inf' };
        values.push({ metricName: `${this.#name}_bucket`, labels, value: below });
      }
      const labels = { [this.#label]: value };
      values.push({ metricName: `${this.#name}_sum`, labels, value: sum });
      values.push({ metricName: `${this.#name}_count`, labels, value: below });
    }
    const found = { name: this.#name, help: this.#help, type: 'histogram', values, aggregator: 'sum' };
    return Promise.resolve(found as unknown as Awaited<ReturnType<Histogram['get']>>);
  }

  getForPromString(): ReturnType<Histogram['get']> {
    return this.get();
  }
}
