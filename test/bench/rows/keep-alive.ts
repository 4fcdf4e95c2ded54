import { startBackend } from '../backend.ts';
import { lineUp, type RowFamily } from '../lab.ts';
import { runWrk, wrkHost } from '../load/wrk.ts';
import { compareRow, compete } from '../rounds.ts';
import { times } from '../row.ts';

const work = 'HTTP/1.1 keep-alive, small proxied GET';
const targets = [times(1.5, 'nginx'), times(0.5, 'Caddy')];

/** 16 connections with one request at a time each. */
export const keepAlive: RowFamily = {
  works: { [work]: targets },
  run: async (lab) => {
    await using stack = new AsyncDisposableStack();
    const backend = stack.use(await startBackend());
    const leaves = [lab.fixtures.named(wrkHost)];
    const { ours, servers, missing } = await lineUp(stack, lab, {
      backend: backend.port,
      leaves,
      peers: ['nginx', 'HAProxy', 'Caddy'],
    });
    const samples = await compete({
      ...lab,
      work,
      servers,
      warmUp: 20_000,
      load: async ({ port }) => await runWrk({ port, work: 'small', connections: 16, seconds: lab.seconds }),
    });
    return [compareRow({ work, ours, samples, targets, missing })];
  },
};
