import { setTimeout as delay } from 'node:timers/promises';
import { ToolMissing } from '../../support/tools.ts';
import { startBackend } from '../backend.ts';
import type { Lab, RowFamily } from '../lab.ts';
import { holdConnections, mostConnections } from '../load/holder.ts';
import { aim, because, bytes, times, type Detail, type Row } from '../row.ts';
import { bareNode } from '../servers/bare-node.ts';
import { certplane } from '../servers/certplane.ts';
import { nginx } from '../servers/nginx.ts';
import type { Server, ServerOptions } from '../servers/server.ts';
import { memory, type Memory } from '../usage.ts';

const work = 'memory per idle keep-alive TLS connection';
const targets = [times(3.5, 'nginx')];
const wantedConnections = 10_000;

/**
 * What the workers' memory (PSS) grows by when connections are opened, each has had one answer, and all are left alone.
 * One server after the other, one round: it is the same every time to within a few percent.
 */
export const idleMemory: RowFamily = {
  works: { [work]: targets },
  run: async (lab) => {
    await using backend = await startBackend();
    const options: ServerOptions = {
      backend: backend.port,
      leaves: [lab.fixtures.leaf(0)],
      keyPem: lab.fixtures.keyPem,
      cpus: lab.cores.server,
    };
    const count = Math.min(wantedConnections, mostConnections());
    const theirs: Record<string, string> = {};
    const details: Detail[] = [];
    const perConnection = new Map<string, number>();
    for (const [peer, start] of Object.entries({ certplane, nginx, 'Node tls.Server': bareNode })) {
      try {
        await using server = await start(options);
        const grown = await growth(server, lab, count);
        perConnection.set(peer, grown.pssBytes);
        details.push({ server: peer, figure: `${bytes(grown.pssBytes)} PSS, ${bytes(grown.rssBytes)} RSS` });
        theirs[peer] = bytes(grown.pssBytes);
        lab.progress(`${work}: ${peer} ${bytes(grown.pssBytes)}`);
      } catch (error) {
        if (!(error instanceof ToolMissing)) throw error;
        theirs[peer] = because(error);
      }
    }
    const { certplane: ours = '', ...others } = theirs;
    const ratios = Object.fromEntries(
      [...perConnection]
        .filter(([peer]) => peer !== 'certplane')
        .map(([peer, size]) => [peer, (perConnection.get('certplane') ?? Number.NaN) / size]),
    );
    const row: Row = {
      work,
      ours,
      theirs: others,
      ratios,
      aims: targets.map((target) => aim(target, ratios[target.peer ?? ''])),
      details,
      notes: [`${count} connections, one round.`],
    };
    return [row];
  },
};

async function growth(server: Server, lab: Lab, count: number): Promise<Memory> {
  const options = { port: server.port, caPem: lab.fixtures.rootPem, name: lab.fixtures.leaf(0).name };
  // What the first connections load and compile is not theirs alone.
  const first = await holdConnections({ ...options, count: 200 });
  await first.release();
  const before = await settled(server);
  await using holder = await holdConnections({ ...options, count });
  const after = await settled(server);
  await holder.release();
  return {
    rssBytes: (after.rssBytes - before.rssBytes) / count,
    pssBytes: (after.pssBytes - before.pssBytes) / count,
  };
}

/** The workers' memory when it has stayed the same for two seconds, or after 20. */
async function settled(server: Server): Promise<Memory> {
  let last = memory(server.workers());
  let calm = 0;
  for (let second = 0; second < 20 && calm < 2; second += 1) {
    await delay(1000);
    const now = memory(server.workers());
    calm = Math.abs(now.pssBytes - last.pssBytes) < last.pssBytes * 0.002 ? calm + 1 : 0;
    last = now;
  }
  return last;
}
