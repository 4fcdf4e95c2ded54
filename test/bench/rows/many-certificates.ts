import { ToolMissing } from '../../support/tools.ts';
import { startBackend } from '../backend.ts';
import { nameOf, type Leaf } from '../fixtures/certificates.ts';
import type { Lab, RowFamily } from '../lab.ts';
import { runClient } from '../load/client.ts';
import { firstHandshake } from '../load/first-handshake.ts';
import { because, millis } from '../row.ts';
import { certplane, type CertplaneServer } from '../servers/certplane.ts';
import { haproxy } from '../servers/haproxy.ts';
import { nginx } from '../servers/nginx.ts';
import type { Server, ServerOptions } from '../servers/server.ts';
import { memory } from '../usage.ts';
import {
  cold,
  coldRow,
  coldTarget,
  compared,
  inUse,
  many,
  resident,
  residentRow,
  residentTarget,
  start,
  startRow,
  startTargets,
  type Differences,
  type Times,
} from './many-certificates-table.ts';

const sizes = [1000, 5000, 10_000] as const;
const startLimitMs = 600_000;
/** The better one counts: what else the machine does can only make a start longer. */
const starts = 2;

/**
 * Peers are started at each size; a start of theirs reads every file. We are started over the last-good copy, which
 * is what a restart or a crash means; how long it takes to get new certificates from control stands beside it.
 */
export const manyCertificates: RowFamily = {
  works: { [start]: startTargets, [resident]: [residentTarget], [cold]: [coldTarget] },
  run: async (lab, wanted) => {
    await using backend = await startBackend();
    const leaves = lab.fixtures.leaves(many);
    const options: ServerOptions = {
      backend: backend.port,
      leaves,
      keyPem: lab.fixtures.keyPem,
      cpus: lab.cores.server,
      readyTimeoutMs: startLimitMs,
    };
    const peers = new Map<string, { times: Times; rssBytes: number }>();
    const missing = new Map<string, string>();
    for (const [peer, begin] of Object.entries({ nginx, HAProxy: haproxy })) {
      const steps = wanted(start) ? sizes : wanted(resident) && peer === 'nginx' ? [compared] : [];
      try {
        peers.set(peer, await peerFigures(lab, { steps, start: async (n) => await begin(first(options, n)) }));
      } catch (error) {
        if (!(error instanceof ToolMissing)) throw error;
        missing.set(peer, because(error));
      }
    }
    await using ours = await certplane(first(options, sizes[0]));
    const { times, intake } = await ourTimes(ours, leaves, lab);
    const differences = await coldAndWarm(ours, lab, wanted(cold) ? lab.rounds : 1);
    return [
      startRow(times, intake, new Map([...peers].map(([peer, figures]) => [peer, figures.times])), missing),
      residentRow(differences.memory, peers.get('nginx')?.rssBytes, missing),
      coldRow(differences),
    ];
  },
};

function first(options: ServerOptions, count: number): ServerOptions {
  return { ...options, leaves: options.leaves.slice(0, count) };
}

async function peerFigures(
  lab: Lab,
  { steps, start: begin }: { steps: readonly number[]; start: (count: number) => Promise<Server> },
): Promise<{ times: Times; rssBytes: number }> {
  const times: Times = new Map();
  let rssBytes = Number.NaN;
  for (const count of steps.flatMap((count) => Array.from({ length: starts }, () => count))) {
    await using server = await begin(count);
    note(times, count, await served(server, count, lab));
    if (count === compared) {
      await use(server, lab, 0);
      ({ rssBytes } = memory(server.workers()));
    }
  }
  return { times, rssBytes };
}

function note(times: Times, count: number, ms: number): void {
  times.set(count, Math.min(ms, times.get(count) ?? Infinity));
}

async function served(server: Server, count: number, lab: Lab): Promise<number> {
  const target = { port: server.port, name: nameOf(count - 1), caPem: lab.fixtures.rootPem };
  const took = await firstHandshake({ ...target, from: server.spawnedAt, timeoutMs: startLimitMs });
  lab.progress(`${start}: ${server.name} with ${count}: ${millis(took)}`);
  return took;
}

async function ourTimes(
  ours: CertplaneServer,
  leaves: readonly Leaf[],
  lab: Lab,
): Promise<{ times: Times; intake: number }> {
  const times: Times = new Map();
  let have = sizes[0] as number;
  let intake = Number.NaN;
  for (const count of [...sizes, many]) {
    if (count > have) {
      const from = performance.now();
      await ours.orEnds(ours.control.publish(leaves.slice(have, count)));
      intake = (performance.now() - from) / (count - have);
      lab.progress(`${start}: from ${have} to ${count} certificates, ${millis(intake)} each`);
      have = count;
    }
    for (let again = 0; again < starts; again += 1) {
      await ours.restart();
      note(times, count, await served(ours, count, lab));
    }
  }
  return { times, intake };
}

/** One handshake after the other for names that nobody has asked for, then again for the same. */
async function coldAndWarm(ours: CertplaneServer, lab: Lab, rounds: number): Promise<Differences> {
  const coldMs: number[] = [];
  const warmMs: number[] = [];
  let found: Differences['memory'] | undefined;
  for (let round = 0; round < rounds; round += 1) {
    coldMs.push(await use(ours, lab, round * inUse));
    found ??= memory(ours.workers());
    warmMs.push(await use(ours, lab, round * inUse));
    lab.progress(`${cold}: p99 ${millis(coldMs.at(-1) ?? 0)} cold, ${millis(warmMs.at(-1) ?? 0)} warm`);
  }
  return { coldMs, warmMs, memory: found ?? memory(ours.workers()) };
}

async function use({ port }: Server, lab: Lab, firstName: number): Promise<number> {
  const { rootPem: caPem } = lab.fixtures;
  const { p99Ms } = await runClient({ port, caPem, firstName, names: inUse, newLanes: 1, total: inUse });
  return p99Ms;
}
