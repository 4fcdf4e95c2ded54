import cron from 'node-cron';
import { isAbort } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Part } from '../core/ports/lifecycle.ts';
import type { Log } from '../core/ports/log.ts';
import type { Registry } from '../state/registry.ts';
import type { Budget } from './budget.ts';
import type { Scheduler } from './scheduler.ts';

export interface Sweep {
  readonly name: string;
  /** Cron expression, in UTC: local time skips and repeats hours. */
  readonly at: string;
  run(signal: AbortSignal): Promise<void>;
}

export interface SweepDeps {
  readonly registry: Pick<Registry, 'purge'>;
  readonly budget: Pick<Budget, 'prune'>;
  /** What waits by the clock. */
  readonly waiting: readonly Pick<Scheduler, 'lookAgain'>[];
  readonly clock: Clock;
  readonly log: Log;
}

/** What recurs whatever happens: deleting what was removed long ago, emptying old buckets, a look at the clock. */
export function createSweeps(deps: SweepDeps): Part {
  return runSweeps(standardSweeps(deps), deps.log);
}

export function standardSweeps(deps: SweepDeps): readonly Sweep[] {
  const { registry, budget, waiting, clock, log } = deps;
  return [
    {
      name: 'purge',
      at: '17 3 * * *',
      run: async (signal) => {
        const certificates = await registry.purge(clock.now(), signal);
        if (certificates > 0) log.info('Certificates removed 30 days ago were deleted.', { certificates });
      },
    },
    { name: 'budgets', at: '47 3 * * *', run: async (signal) => void (await budget.prune(signal)) },
    {
      name: 'clock',
      at: '* * * * *',
      run: async () => {
        for (const one of waiting) one.lookAgain();
        await Promise.resolve();
      },
    },
  ];
}

/** Runs sweeps at their times, each never twice at once. Stopping aborts what runs and awaits it. */
export function runSweeps(sweeps: readonly Sweep[], log: Log): Part {
  const stop = new AbortController();
  const running = new Map<string, Promise<void>>();
  let tasks: ReturnType<typeof cron.schedule>[] = [];

  const runOne = async (sweep: Sweep): Promise<void> => {
    try {
      await sweep.run(stop.signal);
    } catch (error) {
      if (!(stop.signal.aborted && isAbort(error))) log.error('A sweep failed.', { sweep: sweep.name, error });
    } finally {
      running.delete(sweep.name);
    }
  };
  const close = async (): Promise<void> => {
    stop.abort();
    const ending = tasks;
    tasks = [];
    for (const task of ending) await task.destroy();
    await Promise.all(running.values());
  };

  return {
    async start(signal) {
      signal.throwIfAborted();
      tasks = sweeps.map((sweep) =>
        cron.schedule(
          sweep.at,
          () => {
            if (!stop.signal.aborted && !running.has(sweep.name)) running.set(sweep.name, runOne(sweep));
          },
          { timezone: 'UTC', name: sweep.name },
        ),
      );
      signal.addEventListener('abort', () => void close(), { once: true });
      await Promise.resolve();
    },
    [Symbol.asyncDispose]: close,
  };
}
