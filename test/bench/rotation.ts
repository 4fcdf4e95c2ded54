/** From "renew" to every worker serving the new version, under no load; and how long a start takes. */
import { show } from '../e2e/shop.ts';
import { startBackend } from '../support/backend.ts';
import { fetchOnce } from '../support/http.ts';
import { until } from '../support/until.ts';
import { benchSite, host } from './bench-site.ts';
import { median } from './cpu.ts';
import type { Row } from './run.ts';

const id = `route/${host}`;

export async function rotation(rounds: number): Promise<Row[]> {
  await using backend = await startBackend();
  const startedAt = performance.now();
  await using ours = await benchSite(backend.url, 2);
  const startMs = performance.now() - startedAt;
  const { certplane } = ours;
  const socketPath = `${certplane.dir}/data/run/admin.sock`;
  const times: number[] = [];
  for (let round = 0; round < rounds * 4; round += 1) {
    const before = await show(certplane, id);
    const askedAt = performance.now();
    await fetchOnce(`http://admin/api/v1/certificates/${encodeURIComponent(id)}/renew`, { method: 'POST', socketPath });
    await until(
      async () => {
        const { serial, servedBy } = await show(certplane, id);
        return serial !== before.serial && servedBy.length > 0 && servedBy.every((one) => one.serial === serial);
      },
      { everyMs: 2, what: 'the rotation' },
    );
    times.push(performance.now() - askedAt);
  }
  return [
    {
      work: 'renew asked for until two workers serve it (key, signature, fsync, feed, swap, acknowledgement)',
      ours: `${median(times).toFixed(0)} ms`,
      theirs: 'not measured',
      ratio: '',
    },
    {
      work: 'start of an empty installation until it serves',
      ours: `${(startMs / 1000).toFixed(1)} s`,
      theirs: 'not measured',
      ratio: '',
    },
  ];
}
