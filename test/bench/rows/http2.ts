import { startBackend } from '../backend.ts';
import { lineUp, type RowFamily } from '../lab.ts';
import { runHttp2 } from '../load/http2.ts';
import { compareRow, compete } from '../rounds.ts';
import { times } from '../row.ts';

const work = 'HTTP/2, 8 connections × 8 streams, small proxied GET';
const targets = [times(2, 'nginx'), times(0.5, 'Caddy')];

export const http2: RowFamily = {
  works: { [work]: targets },
  run: async (lab) => {
    await using stack = new AsyncDisposableStack();
    const backend = stack.use(await startBackend());
    const leaf = lab.fixtures.leaf(0);
    const { ours, servers, missing } = await lineUp(stack, lab, {
      backend: backend.port,
      leaves: [leaf],
      peers: ['nginx', 'HAProxy', 'Caddy'],
    });
    const { rootPem: caPem } = lab.fixtures;
    const samples = await compete({
      ...lab,
      work,
      servers,
      warmUp: 20_000,
      load: async ({ port }) =>
        await runHttp2({ port, caPem, name: leaf.name, connections: 8, streams: 8, seconds: lab.seconds }),
    });
    return [compareRow({ work, ours, samples, targets, missing })];
  },
};
