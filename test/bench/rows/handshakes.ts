import { startBackend } from '../backend.ts';
import { lineUp, type RowFamily } from '../lab.ts';
import { runClient } from '../load/client.ts';
import { compareRow, compete } from '../rounds.ts';
import { times, type Row, type Target } from '../row.ts';

const full = 'new connection, full TLS 1.3 P-256 handshake, one proxied request';
const resumed = 'new connection, resumed, one proxied request';
const works: Record<string, readonly Target[]> = {
  [full]: [times(1.5, 'nginx'), times(1.25, 'Node tls.Server')],
  [resumed]: [times(1.6, 'nginx')],
};

/** 8 clients, each opening one connection after the other; key exchange and certificate are P-256. */
export const handshakes: RowFamily = {
  works,
  run: async (lab, wanted) => {
    await using stack = new AsyncDisposableStack();
    const backend = stack.use(await startBackend());
    const leaf = lab.fixtures.leaf(0);
    const { ours, servers, missing } = await lineUp(stack, lab, {
      backend: backend.port,
      leaves: [leaf],
      peers: ['nginx', 'HAProxy', 'Node tls.Server'],
    });
    const { rootPem: caPem } = lab.fixtures;
    const rows: Row[] = [];
    for (const work of [full, resumed].filter(wanted)) {
      const samples = await compete({
        ...lab,
        work,
        servers,
        warmUp: 10_000,
        load: async ({ port }) =>
          await runClient({
            port,
            caPem,
            name: leaf.name,
            newLanes: 8,
            seconds: lab.seconds,
            resume: work === resumed,
          }),
      });
      const notes = ['"Node tls.Server" answers by itself: no backend, no proxying.'];
      rows.push(compareRow({ work, ours, samples, targets: works[work] ?? [], missing, notes }));
    }
    return rows;
  },
};
