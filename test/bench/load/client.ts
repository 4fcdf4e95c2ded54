/** Starts the clients of `client-process.ts` and reads what they measured. */
import { join } from 'node:path';
import { describeExit, spawnProcess } from '../../support/process.ts';
import { percentile } from '../statistics.ts';
import type { LoadResult } from './result.ts';

export interface ClientOptions {
  readonly port: number;
  readonly caPem: string;
  /** The one name asked for; otherwise those of `names` fixtures in turn, from `firstName` on. */
  readonly name?: string;
  readonly names?: number;
  readonly firstName?: number;
  /** Lanes that open a connection for every request. */
  readonly newLanes?: number;
  /** Lanes that keep theirs. */
  readonly keptLanes?: number;
  /** New connections resume the lane's last session, and it is an error when the server does not take it. */
  readonly resume?: boolean;
  /** Each lane begins a request so often; without it, as soon as the one before is answered. */
  readonly everyMs?: number;
  readonly total?: number;
  readonly seconds?: number;
  /** Goes on after a failure and counts it. */
  readonly countFailures?: boolean;
}

export interface ClientReport {
  /** On the clock of `monotonicMs`, as in `samples`. */
  readonly startedAt: number;
  readonly seconds: number;
  /** When each request was begun, and how long it took. */
  readonly samples: [beganAt: number, ms: number][];
  readonly resumed: number;
  readonly failures: string[];
}

export interface RunningClient extends AsyncDisposable {
  /** Lets it finish what is in flight. */
  stop(): Promise<ClientReport>;
  /** Waits until it has done what it was told. */
  finished(): Promise<ClientReport>;
}

export function startClient(options: ClientOptions): RunningClient {
  const file = join(import.meta.dirname, 'client-process.ts');
  const child = spawnProcess(process.execPath, [file, JSON.stringify(options)], { name: 'client' });
  const finished = async (): Promise<ClientReport> => {
    const exit = await child.exited;
    const line = /^REPORT (.*)$/m.exec(child.stdout)?.[1];
    if (line === undefined) throw new Error(`the load failed (${describeExit(exit)}):\n${child.stderr.slice(0, 2000)}`);
    return JSON.parse(line) as ClientReport;
  };
  return {
    finished,
    stop: async () => {
      child.kill('SIGTERM');
      return await finished();
    },
    [Symbol.asyncDispose]: async () => await child[Symbol.asyncDispose](),
  };
}

/** How long requests took that were begun within a time. */
export function latenciesWithin({ samples }: ClientReport, from: number, to: number): number[] {
  return samples.filter(([beganAt]) => beganAt >= from && beganAt < to).map(([, ms]) => ms);
}

/** One run that may not fail. */
export async function runClient(options: ClientOptions): Promise<LoadResult & { report: ClientReport }> {
  await using client = startClient(options);
  const report = await client.finished();
  const latencies = report.samples.map(([, ms]) => ms);
  return {
    operations: latencies.length,
    seconds: report.seconds,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    report,
  };
}
