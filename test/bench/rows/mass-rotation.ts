import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs } from '../../support/load-types.ts';
import { startBackend } from '../backend.ts';
import type { RowFamily } from '../lab.ts';
import { latenciesWithin, startClient } from '../load/client.ts';
import { servedSerial } from '../load/first-handshake.ts';
import { aim, emptyRow, millis, type Target } from '../row.ts';
import { certplane } from '../servers/certplane.ts';
import { median, percentile } from '../statistics.ts';
import { steadyLoad } from './rotation.ts';

const work = 'all 10,000 certificates replaced at once under load';
const faultless: Target = { text: 'no failed request', atMost: 0 };
const bearable: Target = { text: 'p99 at most 2 × the quiet p99', atMost: 2 };
const certificates = 10_000;
const inUse = 1000;
const quietMs = 5000;
const mostRounds = 3;

export const massRotation: RowFamily = {
  works: { [work]: [faultless, bearable] },
  run: async (lab) => {
    await using backend = await startBackend();
    const { fixtures, cores } = lab;
    const common = { backend: backend.port, keyPem: fixtures.keyPem, cpus: cores.server, workers: 2 };
    await using ours = await certplane({ ...common, leaves: fixtures.leaves(certificates) });
    const options = { ...steadyLoad, port: ours.port, caPem: fixtures.rootPem, names: inUse, countFailures: true };
    const tookMs: number[] = [];
    const windows: { quiet: [number, number]; rotating: [number, number] }[] = [];
    await using client = startClient(options);
    await delay(quietMs); // everything that is in use has been asked for
    for (let round = 0; round < Math.min(lab.rounds, mostRounds); round += 1) {
      const next = fixtures.leaves(certificates);
      const from = monotonicMs();
      await delay(quietMs);
      const begun = monotonicMs();
      const done = await ours.orEnds(ours.control.publish(next));
      tookMs.push(done - begun);
      windows.push({ quiet: [from, begun], rotating: [begun, done] });
      lab.progress(`${work}: ${millis(done - begun)}`);
      for (const leaf of next.filter((_, index) => index % 500 === 0))
        if ((await servedSerial(ours.port, leaf.name, fixtures.rootPem)) !== leaf.serial)
          throw new Error(`${leaf.name} was acknowledged, and a handshake after that shows another one`);
    }
    const report = await client.stop();
    const p99 = ([from, to]: [number, number]): number => percentile(latenciesWithin(report, from, to), 0.99);
    const ratio = median(windows.map(({ quiet, rotating }) => p99(rotating) / p99(quiet)));
    const { length: failed } = report.failures;
    if (failed > 0) lab.progress(`${work}: ${failed} failed, the first: ${report.failures[0]}`);
    const { length: sent } = report.samples;
    return [
      {
        ...emptyRow(work, `${failed} of ${sent} failed; p99 × ${ratio.toFixed(2)}; ${millis(median(tookMs))}`, []),
        aims: [
          { text: faultless.text, reached: failed === 0 ? 0 : Infinity, missedBy: `${failed} failed` },
          aim(bearable, ratio),
        ],
        details: [
          { server: 'certplane, quiet', figure: '', p99Ms: median(windows.map(({ quiet }) => p99(quiet))) },
          {
            server: 'certplane, rotating',
            figure: `${tookMs.length} × ${certificates} replaced`,
            p99Ms: median(windows.map(({ rotating }) => p99(rotating))),
          },
        ],
        notes: [`${inUse} of them in use by two workers. The time is until the last one is acknowledged.`],
      },
    ];
  },
};
