import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs } from '../../support/load-types.ts';
import { startBackend } from '../backend.ts';
import { nameOf } from '../fixtures/certificates.ts';
import type { Lab, RowFamily } from '../lab.ts';
import { latenciesWithin, startClient, type ClientOptions } from '../load/client.ts';
import { servedSerial } from '../load/first-handshake.ts';
import { aim, emptyRow, millis, type Target } from '../row.ts';
import { certplane, type CertplaneServer } from '../servers/certplane.ts';
import { median, percentile } from '../statistics.ts';

const work = 'one certificate replaced under load: until every worker serves it; p99 of the others meanwhile';
const soon: Target = { text: 'under 50 ms', atMost: 50 };
const undisturbed: Target = { text: 'at most 1.2 × the quiet p99', atMost: 1.2 };
const certificates = 1000;
/** Those that are replaced; the load is on the others. */
const rotated = 10;
const everyMs = 100;
const phaseMs = 4000;

/** Requests at a fixed rate that leaves the server time: 8 kept connections and 4 lanes of new ones. */
export const steadyLoad = { keptLanes: 8, newLanes: 4, everyMs: 10 } satisfies Partial<ClientOptions>;

/** Quiet phases and phases with ten replacements a second take turns. */
export const rotation: RowFamily = {
  works: { [work]: [soon, undisturbed] },
  run: async (lab) => {
    await using backend = await startBackend();
    const { fixtures, cores } = lab;
    const common = { backend: backend.port, keyPem: fixtures.keyPem, cpus: cores.server, workers: 2 };
    await using ours = await certplane({ ...common, leaves: fixtures.leaves(certificates) });
    await using client = startClient({
      ...steadyLoad,
      port: ours.port,
      caPem: fixtures.rootPem,
      firstName: rotated,
      names: certificates - rotated,
    });
    const tookMs: number[] = [];
    const phases: { quiet: [number, number]; rotating: [number, number] }[] = [];
    await phase(ours, lab, undefined); // warm-up: everything has been asked for once
    await phase(ours, lab, []);
    for (let round = 0; round < lab.rounds; round += 1) {
      const quiet = await phase(ours, lab, undefined);
      const rotating = await phase(ours, lab, tookMs);
      phases.push({ quiet, rotating });
    }
    const report = await client.stop();
    const p99 = ([from, to]: [number, number]): number => percentile(latenciesWithin(report, from, to), 0.99);
    const ratio = median(phases.map(({ quiet, rotating }) => p99(rotating) / p99(quiet)));
    const quietMs = median(phases.map(({ quiet }) => p99(quiet)));
    const rotatingMs = median(phases.map(({ rotating }) => p99(rotating)));
    const slow = percentile(tookMs, 0.99);
    lab.progress(`${work}: ${millis(median(tookMs))}, p99 ${millis(slow)}; p99 of the others × ${ratio.toFixed(2)}`);
    return [
      {
        ...emptyRow(work, `${millis(median(tookMs))} (p99 ${millis(slow)}); p99 × ${ratio.toFixed(2)}`, []),
        aims: [aim(soon, slow), aim(undisturbed, ratio)],
        details: [
          { server: 'certplane, quiet', figure: '', p99Ms: quietMs },
          { server: 'certplane, rotating', figure: `${tookMs.length} replaced`, p99Ms: rotatingMs },
        ],
        notes: [
          'From the line in the feed to the acknowledgement that two workers serve it, fetching and checking included; ' +
            'handshakes after it are checked to show the new certificate. 1,200 requests a second on kept and new connections.',
        ],
      },
    ];
  },
};

/** One phase; with a list, certificates are replaced and how long each took is put into it. */
async function phase(ours: CertplaneServer, lab: Lab, tookMs: number[] | undefined): Promise<[number, number]> {
  const { fixtures } = lab;
  const from = monotonicMs();
  for (let at = from; at < from + phaseMs; at = monotonicMs()) {
    const index = Math.floor(at / everyMs) % rotated;
    const leaf = tookMs === undefined ? undefined : fixtures.leaf(index);
    const begun = monotonicMs();
    if (leaf !== undefined) tookMs?.push((await ours.orEnds(ours.control.publish([leaf]))) - begun);
    // The same handshakes in quiet phases, so that they disturb both equally.
    for (let again = 0; again < 4; again += 1) {
      const serial = await servedSerial(ours.port, nameOf(index), fixtures.rootPem);
      if (leaf !== undefined && serial !== leaf.serial)
        throw new Error(`${leaf.name} was acknowledged, and a handshake after that shows ${serial}`);
    }
    await delay(Math.max(0, everyMs - (monotonicMs() - at)));
  }
  return [from, monotonicMs()];
}
