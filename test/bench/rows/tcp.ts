import { startBackend } from '../backend.ts';
import { lineUp, type RowFamily } from '../lab.ts';
import { runWrk, wrkHost } from '../load/wrk.ts';
import { compareRow, compete } from '../rounds.ts';
import { times } from '../row.ts';

const work = 'TLS to TCP, small messages';
const targets = [times(1.3, 'hitch')];

/** The messages are HTTP requests and answers, which the terminator does not know. */
export const tcp: RowFamily = {
  works: { [work]: targets },
  run: async (lab) => {
    await using stack = new AsyncDisposableStack();
    const backend = stack.use(await startBackend());
    const { ours, servers, missing } = await lineUp(stack, lab, {
      backend: backend.port,
      leaves: [lab.fixtures.named(wrkHost)],
      speaks: 'tcp',
      peers: ['hitch'],
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
