import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { formatRevision, type FeedLine, type Revision } from '../core/feed.ts';
import { CertplaneError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import { Bell } from './bell.ts';
import type { Feed } from './feed.ts';

const pingEveryMs = 10_000;
/** A subscriber that takes nothing for this long is cut off; it resumes where it was. */
export const stallMs = 30_000;
const chunkLength = 65_536;

/**
 * Writes the feed to one subscriber until the signal ends. What is kept for a slow one is a chunk and its place in the
 * feed, however much changes meanwhile: it is read on from there, compacted, when it takes more.
 */
export async function streamFeed(
  deps: { feed: Feed; clock: Clock },
  response: ServerResponse,
  since: Revision | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { feed, clock } = deps;
  const bell = new Bell();
  using _ = feed.onPublish(() => bell.ring());
  let place = since;
  for (;;) {
    bell.reset();
    const { lines } = feed.read(place);
    place = feed.revision();
    await writeLines(response, lines, { clock, signal });
    const rung = await bell.waitFor(pingEveryMs, clock, signal);
    if (!rung) await writeLines(response, [{ type: 'ping', revision: formatRevision(place) }], { clock, signal });
  }
}

async function writeLines(
  response: ServerResponse,
  lines: readonly FeedLine[],
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<void> {
  let chunk = '';
  for (const [index, line] of lines.entries()) {
    chunk += `${JSON.stringify(line)}\n`;
    if (chunk.length < chunkLength && index < lines.length - 1) continue;
    const taken = response.write(chunk);
    chunk = '';
    if (!taken) await drained(response, clock, signal);
  }
}

async function drained(response: ServerResponse, clock: Clock, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const stalled = async (): Promise<never> => {
    await clock.sleep(stallMs, either);
    throw new CertplaneError('process.aborted', `A subscriber took nothing for ${stallMs / 1000} s.`);
  };
  try {
    await Promise.race([once(response, 'drain', { signal: either }), stalled()]);
  } finally {
    over.abort();
  }
}
