import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { site, terminatorOf } from '../../e2e/site.ts';
import { show } from '../../e2e/shop.ts';
import { startCertplane } from '../../support/certplane.ts';
import { fetchOnce } from '../../support/http.ts';
import { until } from '../../support/until.ts';
import { startBackend } from '../backend.ts';
import type { RowFamily } from '../lab.ts';
import { emptyRow, millis, type Row } from '../row.ts';
import { median, percentile } from '../statistics.ts';

const renewal = 'whole program: renew asked for until two workers serve it';
const start = 'whole program: start of an empty installation until it serves';
const host = 'bench.localhost';
const id = `route/${host}`;

/** `certplane run` with a private CA. Nobody is asked to do the same, and nothing is aimed at. */
export const installation: RowFamily = {
  works: { [renewal]: [], [start]: [] },
  run: async (lab) => {
    await using backend = await startBackend();
    const place = await site();
    const from = performance.now();
    await using certplane = await startCertplane({
      configYaml: `${place.base}
issuers: { local: { ca: {} } }
defaults: { issuers: [local] }
${terminatorOf(place, { workers: 2 })}
  routes:
    - hosts: [${host}]
      backend: http://127.0.0.1:${backend.port}
`,
      readyLine: /Certplane is running/,
    });
    const startMs = performance.now() - from;
    await readFile(join(certplane.dir, 'data', 'ca', 'local.pem')); // it has really made its CA
    const socketPath = `${certplane.dir}/data/run/admin.sock`;
    const times: number[] = [];
    for (let round = 0; round < lab.rounds * 4; round += 1) {
      const before = await show(certplane, id);
      const askedAt = performance.now();
      const path = `http://admin/api/v1/certificates/${encodeURIComponent(id)}/renew`;
      await fetchOnce(path, { method: 'POST', socketPath });
      await until(
        async () => {
          const { serial, servedBy } = await show(certplane, id);
          return serial !== before.serial && servedBy.length > 0 && servedBy.every((one) => one.serial === serial);
        },
        { everyMs: 2, what: 'the rotation' },
      );
      times.push(performance.now() - askedAt);
    }
    const rows: Row[] = [
      {
        ...emptyRow(renewal, millis(median(times)), []),
        details: [
          {
            server: 'certplane',
            figure: `${times.length} times`,
            p50Ms: percentile(times, 0.5),
            p99Ms: percentile(times, 0.99),
          },
        ],
        notes: ['Key, signature, fsync, feed, swap and acknowledgement.'],
      },
      emptyRow(start, millis(startMs), []),
    ];
    return rows;
  },
};
