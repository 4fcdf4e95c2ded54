import { heldConnections } from '../../support/connections.ts';
import { startBackend } from '../backend.ts';
import type { RowFamily } from '../lab.ts';
import { holdConnections } from '../load/holder.ts';
import { runWrk, wrkHost } from '../load/wrk.ts';
import { compareRow, compete } from '../rounds.ts';
import { aim, times, type Target } from '../row.ts';
import { certplane } from '../servers/certplane.ts';
import type { Server, ServerOptions } from '../servers/server.ts';

const work = 'two workers, HTTP/1.1 keep-alive';
const perRequest = times(1.1, 'one worker');
const distribution: Target = { text: 'neither takes over 60% of connections', atMost: 0.6 };
const connections = 1000;

export const twoWorkers: RowFamily = {
  works: { [work]: [perRequest, distribution] },
  run: async (lab) => {
    await using backend = await startBackend();
    const { fixtures, cores } = lab;
    const options: ServerOptions = {
      backend: backend.port,
      leaves: [fixtures.named(wrkHost)],
      keyPem: fixtures.keyPem,
      // One core would have both take turns; on a machine with two, one of them shares its core with the load.
      cpus: cores.all,
    };
    await using two = await certplane({ ...options, workers: 2 });
    await using one = await certplane(options);
    const alone: Server = {
      name: 'one worker',
      port: one.port,
      spawnedAt: one.spawnedAt,
      pids: () => one.pids(),
      workers: () => one.workers(),
      [Symbol.asyncDispose]: async () => await one[Symbol.asyncDispose](),
    };
    const samples = await compete({
      ...lab,
      work,
      servers: [two, alone],
      warmUp: 40_000,
      load: async ({ port }) => await runWrk({ port, work: 'small', connections: 32, seconds: lab.seconds }),
    });
    const target = { port: two.port, caPem: fixtures.rootPem, name: wrkHost, count: connections };
    await using holder = await holdConnections(target);
    const held = two.workers().map((pid) => heldConnections(pid, two.port));
    await holder.release();
    const share = Math.max(...held) / held.reduce((sum, count) => sum + count, 0);
    lab.progress(`${work}: connections ${held.join(' and ')}`);
    const row = compareRow({ work, ours: two, samples, targets: [perRequest], missing: new Map() });
    return [
      {
        ...row,
        aims: [...row.aims, aim(distribution, share)],
        notes: [
          `Of ${connections} idle connections the workers hold ${held.join(' and ')}.`,
          'Servers may use every core here, the one of the load as well.',
        ],
      },
    ];
  },
};
