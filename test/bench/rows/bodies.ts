import { startBackend, startUploadBackend } from '../backend.ts';
import { largeBody } from '../bodies.ts';
import { lineUp, type RowFamily } from '../lab.ts';
import { runWrk, wrkHost, type WrkWork } from '../load/wrk.ts';
import { compareRow, compete } from '../rounds.ts';
import { times, type Row } from '../row.ts';

const works: Record<'responses' | 'uploads', { work: string; load: WrkWork }> = {
  responses: { work: '1 MiB responses, per byte', load: 'large' },
  uploads: { work: '1 MiB uploads, per byte', load: 'upload' },
};

const targets = [times(1.3, 'nginx')];

/** 4 connections with one body under way each. Shown per kB, which has fewer zeros. */
export const bodies: RowFamily = {
  works: { [works.responses.work]: targets, [works.uploads.work]: targets },
  run: async (lab, wanted) => {
    const rows: Row[] = [];
    for (const direction of ['responses', 'uploads'] as const) {
      const { work, load } = works[direction];
      if (!wanted(work)) continue;
      await using stack = new AsyncDisposableStack();
      const backend = stack.use(await (direction === 'uploads' ? startUploadBackend() : startBackend()));
      const { ours, servers, missing } = await lineUp(stack, lab, {
        backend: backend.port,
        leaves: [lab.fixtures.named(wrkHost)],
        peers: ['nginx', 'HAProxy'],
      });
      const samples = await compete({
        ...lab,
        work,
        servers,
        load: async ({ port }) => await runWrk({ port, work: load, connections: 4, seconds: lab.seconds }),
      });
      const per = { divisor: largeBody.length / 1000, text: (cost: number) => `${(cost * 1000).toFixed(0)} ns/kB` };
      rows.push(compareRow({ work, ours, samples, targets, missing, per }));
    }
    return rows;
  },
};
