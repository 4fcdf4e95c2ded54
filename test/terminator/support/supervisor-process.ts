/** A supervisor in a process of its own, to be killed: `node supervisor-process.ts '{"bundle":…,"settings":…}'`. */
import type { Bundle } from '../../../src/core/bundle.ts';
import { silentLog } from '../../../src/core/ports/log.ts';
import type { TerminatorSettings } from '../../../src/core/terminator.ts';
import { systemClock } from '../../../src/core/system-clock.ts';
import { createLastGoodCache } from '../../../src/terminator/last-good/cache.ts';
import { createSupervisor } from '../../../src/terminator/supervisor.ts';
import { TestFeed } from './test-feed.ts';

const { bundle, settings, directory } = JSON.parse(process.argv[2] ?? '{}') as {
  bundle: Bundle;
  settings: TerminatorSettings;
  directory: string;
};
const feed = new TestFeed();
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());
await using supervisor = createSupervisor({
  feed,
  sourceFor: () => new TestFeed(),
  settings,
  cache: createLastGoodCache({ directory: `${directory}/copy`, keyFile: `${directory}/copy.key` }),
  terminatorId: 'test',
  clock: systemClock,
  log: silentLog,
});
await supervisor.start(stop.signal);
await feed.acknowledged(feed.publishCertificate('file/a', 1, bundle));
const { workers } = supervisor.status();
console.log(`ready ${JSON.stringify(workers.map(({ pid }) => pid))}`);
await new Promise((resolve) => stop.signal.addEventListener('abort', resolve));
