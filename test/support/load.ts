import { join } from 'node:path';
import { describeExit, spawnProcess, type RunningProcess } from './process.ts';
import type { LoadEvent, LoadFailure, LoadOptions, LoadSummary } from './load-types.ts';
import { until } from './until.ts';

export { monotonicMs, type LoadFailure, type LoadOptions, type LoadSummary } from './load-types.ts';

export interface Load extends AsyncDisposable {
  readonly process: RunningProcess;
  /** Requests finished so far, in steps of 100 until it ends. */
  readonly done: number;
  /** Every failure so far, with its cause. */
  readonly failures: LoadFailure[];
  /** Resolves when that many requests are finished; rejects when the client ends before. */
  reached(requests: number, timeoutMs?: number): Promise<void>;
  /** Waits until it has sent all it was told to. */
  finished(): Promise<LoadSummary>;
  /** Lets it finish what is in flight. */
  stop(): Promise<LoadSummary>;
}

/** Starts the load client. Leave `total` out for load that goes on until `stop()`. */
export function startLoad(options: LoadOptions): Load {
  const args = [join(import.meta.dirname, 'load-client.ts'), JSON.stringify(options)];
  const client = spawnProcess(process.execPath, args, { name: `load (${options.mode})` });
  const events = (): LoadEvent[] =>
    client.stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as LoadEvent);
  const done = (): number =>
    events().reduce((most, event) => {
      if (event.type === 'failure') return most;
      return event.type === 'progress' ? event.done : event.requests;
    }, 0);
  const finished = async (): Promise<LoadSummary> => {
    const exit = await client.exited;
    const summary = events().find((event) => event.type === 'summary');
    if (!summary) throw new Error(`the load client ended without a summary (${describeExit(exit)}):\n${client.output}`);
    return summary;
  };
  return {
    process: client,
    get done() {
      return done();
    },
    get failures() {
      return events().filter((event) => event.type === 'failure');
    },
    reached: async (requests, timeoutMs = 60_000) => {
      await until(() => client.exit !== undefined || done() >= requests, { timeoutMs, what: `${requests} requests` });
      if (client.exit) {
        const summary = await finished();
        if (summary.requests < requests) throw new Error(`the load ended after ${summary.requests} requests`);
      }
    },
    finished,
    stop: async () => {
      client.kill('SIGTERM');
      return await finished();
    },
    [Symbol.asyncDispose]: async () => await client[Symbol.asyncDispose](),
  };
}
