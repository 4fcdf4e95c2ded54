/** One line of the table: what was done, what it cost us and them, and what was aimed at. */

/** What is aimed at: a ratio to a peer, or a figure of its own. */
export interface Target {
  /** As tables say it. */
  readonly text: string;
  readonly atMost: number;
  /** Of whose figure ours is to be `atMost` times. */
  readonly peer?: string;
}

export function times(atMost: number, peer: string): Target {
  return { text: `at most ${atMost} × ${peer}`, atMost, peer };
}

export interface Aim {
  readonly text: string;
  /** How far we are: 1 is exactly what was aimed at, above is missed by that much. Undefined: not measured. */
  readonly reached: number | undefined;
  /** By how much it is missed, where a share of the aim would not say it. */
  readonly missedBy?: string;
}

export function aim({ text, atMost }: Target, measured: number | undefined): Aim {
  return { text, reached: measured === undefined || Number.isNaN(measured) ? undefined : measured / atMost };
}

/** What one server did in one work, beside the figure of the table: medians over rounds. */
export interface Detail {
  readonly server: string;
  readonly figure: string;
  readonly perSecond?: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  /** Share of its core that the server used: below 1 the load could not keep it busy, and throughput is the load's. */
  readonly busy?: number;
}

export interface Row {
  readonly work: string;
  readonly ours: string;
  /** By peer. */
  readonly theirs: Readonly<Record<string, string>>;
  /** Ours by theirs, the median over rounds, by peer. */
  readonly ratios: Readonly<Record<string, number>>;
  readonly aims: readonly Aim[];
  readonly details: readonly Detail[];
  /** What has to be known to read the figures. */
  readonly notes: readonly string[];
}

export const notMeasured = 'not measured';

/** Why something was not measured, as a person can act on it. */
export function because(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return `${notMeasured} (${text.split(/\n| \(/)[0]?.slice(0, 200)})`;
}

export function emptyRow(work: string, reason: string, targets: readonly Target[]): Row {
  return {
    work,
    ours: reason,
    theirs: {},
    ratios: {},
    aims: targets.map((target) => aim(target, undefined)),
    details: [],
    notes: [],
  };
}

export function micros(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} µs`;
}

export function millis(value: number): string {
  const size = Math.abs(value);
  return size >= 1000
    ? `${(value / 1000).toFixed(size < 10_000 ? 2 : 1)} s`
    : `${value.toFixed(size < 10 ? 2 : size < 100 ? 1 : 0)} ms`;
}

export function bytes(value: number): string {
  return value < 1_000_000 ? `${(value / 1000).toFixed(1)} kB` : `${(value / 1_000_000).toFixed(0)} MB`;
}
