import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { test } from 'node:test';
import { silentLog } from '../../../src/core/ports/log.ts';
import type { SourceEvent } from '../../../src/core/ports/certificate-source.ts';
import { createFeedSource } from '../../../src/terminator/source/feed-source.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { tempDir } from '../../support/tempdir.ts';
import { until } from '../../support/until.ts';

test('a control process that takes the connection and never answers is trouble after 30 s, and is tried again', async () => {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await tempDir());
  const waiting: ServerResponse[] = [];
  const server = createServer((_request, response) => void waiting.push(response));
  stack.defer(() => void server.close());
  server.listen(directory.join('feed.sock'));
  await once(server, 'listening');
  stack.defer(() => server.closeAllConnections());
  const clock = new ManualClock();
  const stop = new AbortController();
  const feed = createFeedSource({
    socketPath: directory.join('feed.sock'),
    terminatorId: 'test',
    clock,
    log: silentLog,
  });
  const events: SourceEvent[] = [];
  const reading = (async () => {
    for await (const event of feed.subscribe({ signal: stop.signal })) events.push(event);
  })();

  await until(() => waiting.length === 1, { what: 'the first request' });
  await clock.advance(29_000);
  assert.deepEqual(events, []);
  await clock.advance(1_000);
  assert.deepEqual(events, [
    {
      type: 'trouble',
      problem: { code: 'terminator.control-unreachable', message: 'The control process has been silent for 30 s.' },
    },
  ]);
  await until(async () => (await clock.advance(100), waiting.length === 2), { what: 'another request' });
  waiting[1]?.writeHead(200).flushHeaders();
  await until(() => events.length === 2, { what: 'the end of the trouble' });
  assert.deepEqual(events[1], { type: 'trouble', problem: undefined });

  stop.abort();
  await reading;
});
