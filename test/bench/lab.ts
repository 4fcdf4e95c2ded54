/** What every row is made with. */
import { ToolMissing } from '../support/tools.ts';
import type { Cores } from './cores.ts';
import type { Fixtures, Leaf } from './fixtures/certificates.ts';
import { because, type Row, type Target } from './row.ts';
import { bareNode } from './servers/bare-node.ts';
import { caddy } from './servers/caddy.ts';
import { certplane, type CertplaneServer } from './servers/certplane.ts';
import { haproxy } from './servers/haproxy.ts';
import { hitch } from './servers/hitch.ts';
import { nginx } from './servers/nginx.ts';
import type { Server, ServerOptions } from './servers/server.ts';

export interface Lab {
  readonly rounds: number;
  /** Of one round of one server. */
  readonly seconds: number;
  readonly fixtures: Fixtures;
  readonly cores: Cores;
  progress(line: string): void;
}

/** One or several rows that share their preparation. */
export interface RowFamily {
  /** What it measures, in the table's order, and what is aimed at. */
  readonly works: Readonly<Record<string, readonly Target[]>>;
  /** Rows for those works that are wanted; more of them do no harm. */
  run(lab: Lab, wanted: (work: string) => boolean): Promise<readonly Row[]>;
}

const peers = { nginx, HAProxy: haproxy, Caddy: caddy, hitch, 'Node tls.Server': bareNode } as const;
export type PeerName = keyof typeof peers;

export interface Field {
  readonly ours: CertplaneServer;
  readonly servers: readonly Server[];
  readonly missing: ReadonlyMap<string, string>;
}

/** Starts us and those peers, on the server's core. A peer that this machine has not is left out and said so. */
export async function lineUp(
  stack: AsyncDisposableStack,
  lab: Lab,
  options: Pick<ServerOptions, 'backend' | 'speaks'> & { peers: readonly PeerName[]; leaves: readonly Leaf[] },
): Promise<Field> {
  const { backend, leaves, speaks } = options;
  const common: ServerOptions = {
    backend,
    leaves,
    keyPem: lab.fixtures.keyPem,
    cpus: lab.cores.server,
    ...(speaks === undefined ? {} : { speaks }),
  };
  const ours = stack.use(await certplane(common));
  const servers: Server[] = [ours];
  const missing = new Map<string, string>();
  for (const peer of options.peers) {
    try {
      servers.push(stack.use(await peers[peer](common)));
    } catch (error) {
      if (!(error instanceof ToolMissing)) throw error;
      missing.set(peer, because(error));
    }
  }
  return { ours, servers, missing };
}
