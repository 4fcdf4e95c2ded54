/** Interleaved rounds: everyone once, then everyone again, so that what the machine does meanwhile happens to all. */
import type { LoadResult } from './load/result.ts';
import { aim, micros, type Detail, type Row, type Target } from './row.ts';
import type { Server } from './servers/server.ts';
import { median } from './statistics.ts';
import { cpuMicros } from './usage.ts';

const mostWarmUps = 16;

export interface Sample extends LoadResult {
  /** CPU time of the server's processes per operation. */
  readonly cost: number;
  readonly busy: number;
}

export interface Contest {
  readonly work: string;
  /** Ours first. */
  readonly servers: readonly Server[];
  readonly rounds: number;
  readonly load: (server: Server) => Promise<LoadResult>;
  /** Operations after which a server that compiles as it goes has done so. */
  readonly warmUp: number;
  readonly progress: (line: string) => void;
}

/** The first round warms everything up and does not count: it goes on until it has done enough. */
export async function compete(contest: Contest): Promise<Map<Server, Sample[]>> {
  const { servers, rounds, load, warmUp, progress, work } = contest;
  const samples = new Map<Server, Sample[]>(servers.map((server) => [server, []]));
  for (const server of servers)
    for (let done = 0, tries = 0; done < warmUp && tries < mostWarmUps; tries += 1) {
      const { operations } = await load(server);
      done += operations;
    }
  for (let round = 1; round <= rounds; round += 1) {
    const turn = round % servers.length;
    for (const server of [...servers.slice(turn), ...servers.slice(0, turn)]) {
      const pids = server.pids();
      const before = cpuMicros(pids);
      const result = await load(server);
      const used = cpuMicros(pids) - before;
      const sample = { ...result, cost: used / result.operations, busy: used / 1e6 / result.seconds };
      samples.get(server)?.push(sample);
      progress(
        `${work}: round ${round}, ${server.name} ${micros(sample.cost)}, ` +
          `${(result.operations / result.seconds).toFixed(0)}/s, busy ${(sample.busy * 100).toFixed(0)}%`,
      );
    }
  }
  return samples;
}

export interface Comparison {
  readonly work: string;
  readonly ours: Server;
  readonly samples: ReadonlyMap<Server, readonly Sample[]>;
  readonly targets: readonly Target[];
  /** By peer: why it was not measured. */
  readonly missing: ReadonlyMap<string, string>;
  /** What one operation is divided by, and how the quotient is called. */
  readonly per?: { readonly divisor: number; readonly text: (cost: number) => string };
  readonly notes?: readonly string[];
}

/** A row of CPU time per operation. */
export function compareRow({ work, ours, samples, targets, missing, per, notes = [] }: Comparison): Row {
  const text = (cost: number): string => (per === undefined ? micros(cost) : per.text(cost / per.divisor));
  const own = samples.get(ours) ?? [];
  const theirs: Record<string, string> = {};
  const ratios: Record<string, number> = {};
  for (const [server, list] of samples) {
    if (server === ours) continue;
    theirs[server.name] = text(costOf(list));
    ratios[server.name] = median(own.map(({ cost }, round) => cost / (list[round]?.cost ?? Number.NaN)));
  }
  return {
    work,
    ours: text(costOf(own)),
    theirs: { ...theirs, ...Object.fromEntries(missing) },
    ratios,
    aims: targets.map((target) => aim(target, ratios[target.peer ?? ''])),
    details: [...samples].map(([server, list]) => detailOf(server, list, text(costOf(list)))),
    notes,
  };
}

function costOf(list: readonly Sample[]): number {
  return median(list.map(({ cost }) => cost));
}

function detailOf(server: Server, list: readonly Sample[], figure: string): Detail {
  const of = (pick: (sample: Sample) => number): number => median(list.map(pick));
  return {
    server: server.name,
    figure,
    perSecond: of(({ operations, seconds }) => operations / seconds),
    p50Ms: of(({ p50Ms }) => p50Ms),
    p99Ms: of(({ p99Ms }) => p99Ms),
    busy: of(({ busy }) => busy),
  };
}
