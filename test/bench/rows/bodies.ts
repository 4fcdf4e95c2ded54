import { startBackend, startUploadBackend } from '../backend.ts';
import { largeBody } from '../bodies.ts';
import { lineUp, type RowFamily } from '../lab.ts';
import { runWrk, wrkHost } from '../load/wrk.ts';
import { compareRow, compete } from '../rounds.ts';
import { times } from '../row.ts';

const targets = [times(1.3, 'nginx')];
const per = { divisor: largeBody.length / 1000, text: (cost: number) => `${(cost * 1000).toFixed(0)} ns/kB` };

/** 4 connections with one body under way each. Shown per kB, which has fewer zeros. */
function bodies(direction: 'responses' | 'uploads'): RowFamily {
  const work = `1 MiB ${direction}, per byte`;
  return {
    works: { [work]: targets },
    run: async (lab) => {
      await using stack = new AsyncDisposableStack();
      const backend = stack.use(await (direction === 'uploads' ? startUploadBackend() : startBackend()));
      const { ours, servers, missing } = await lineUp(stack, lab, {
        backend: backend.port,
        leaves: [lab.fixtures.named(wrkHost)],
        peers: ['nginx', 'HAProxy'],
      });
      const load = direction === 'uploads' ? 'upload' : 'large';
      const samples = await compete({
        ...lab,
        work,
        servers,
        warmUp: 400,
        load: async ({ port }) => await runWrk({ port, work: load, connections: 4, seconds: lab.seconds }),
      });
      return [compareRow({ work, ours, samples, targets, missing, per })];
    },
  };
}

export const responses = bodies('responses');
export const uploads = bodies('uploads');
