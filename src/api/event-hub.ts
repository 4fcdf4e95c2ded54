/**
 * Server-sent events (WHATWG HTML §9.2): what changed, batched, resumable by Last-Event-ID from a bounded log. An id is
 * `epoch.sequence`; one that cannot be resumed from gets a `snapshot` event, which means: read everything again. An
 * `alive` event (no id) comes with every heartbeat, so that a client notices a connection that died without a word.
 */
import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { formatRevision, parseRevision } from '../core/feed.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { ControlChange, ControlView } from '../core/ports/control-view.ts';
import type { Log } from '../core/ports/log.ts';
import type { Part } from '../core/ports/lifecycle.ts';
import type { ChangeEvent } from './contract/overview.ts';
import { attentionOf, presentCounts, type Attention } from './overview.ts';

/** At most four events a second where counting is cheap. */
export const batchMs = 250;
/** Each event carries counts over everything: with more certificates than this there is at most one event a second. */
export const manyCertificates = 2_000;
export const slowBatchMs = 1_000;
export const heartbeatMs = 15_000;
/** More changed certificates than this come as a snapshot event. */
export const mostIds = 200;
const logLength = 500;
const mostStreams = 500;
/** A client that does not read is cut; it resumes where it was. */
const mostBufferedBytes = 1_048_576;

export interface EventHubDeps {
  readonly view: Pick<ControlView, 'certificates' | 'onChange'>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface EventHub extends Part {
  /**
   * Answers with the stream. `allowed` is asked with each heartbeat; a stream whose caller may no longer look ends.
   * False when there are too many streams or the hub is stopping; nothing was written then.
   */
  attach(
    response: ServerResponse,
    options: { lastEventId: string | undefined; allowed: () => Promise<boolean> },
  ): boolean;
}

/** Changes of one batch; `ids` undefined stands for "too many to name". */
interface Batch {
  readonly sequence: number;
  readonly ids: ReadonlySet<string> | undefined;
  readonly other: boolean;
}

interface Stream {
  readonly response: ServerResponse;
  readonly allowed: () => Promise<boolean>;
}

export function createEventHub({ view, clock, log }: EventHubDeps): EventHub {
  const epoch = randomBytes(6).toString('base64url');
  const stopping = new AbortController();
  const streams = new Set<Stream>();
  const batchLog: Batch[] = [];
  let sequence = 0;
  let intervalMs = batchMs;
  let pending: { ids: Set<string>; other: boolean } | undefined;
  let wake = Promise.withResolvers<void>();
  let running: Promise<unknown> | undefined;
  let subscription: Disposable | undefined;
  let told: Attention = new Map();

  function note({ certificateIds, other }: ControlChange): void {
    pending ??= { ids: new Set(), other: false };
    for (const id of certificateIds) pending.ids.add(id);
    pending.other ||= other;
    wake.resolve();
  }

  function flush(): void {
    if (pending === undefined) return;
    sequence += 1;
    const batch: Batch = { sequence, ids: bounded(pending.ids), other: pending.other };
    pending = undefined;
    batchLog.push(batch);
    if (batchLog.length > logLength) batchLog.shift();
    if (streams.size === 0) return; // nobody looks: counting everything would be for nothing
    try {
      const text = frame(batch);
      for (const stream of streams) send(stream, text);
    } catch (error) {
      log.error('Changes could not be told to the open pages.', { error });
    }
  }

  function frame({ ids, other }: Pick<Batch, 'ids' | 'other'>): string {
    const all = view.certificates();
    intervalMs = all.length > manyCertificates ? slowBatchMs : batchMs;
    told = attentionOf(all, clock.now());
    const data: ChangeEvent = {
      certificates: [...(ids ?? [])],
      other: other || ids === undefined,
      ...presentCounts(all, told),
    };
    const id = formatRevision({ epoch, sequence });
    return `id: ${id}\nevent: ${ids === undefined ? 'snapshot' : 'change'}\ndata: ${JSON.stringify(data)}\n\n`;
  }

  function send(stream: Stream, text: string): void {
    stream.response.write(text);
    if (stream.response.writableLength > mostBufferedBytes) stream.response.destroy();
  }

  /** What a client that saw `lastEventId` last has missed; undefined when nothing. */
  function missedSince(lastEventId: string | undefined): Pick<Batch, 'ids' | 'other'> | undefined {
    const everything = { ids: undefined, other: true };
    const seen = lastEventId === undefined ? undefined : parseRevision(lastEventId);
    if (seen === undefined || seen.epoch !== epoch || seen.sequence > sequence) return everything;
    if (seen.sequence === sequence) return undefined;
    if ((batchLog[0]?.sequence ?? Infinity) > seen.sequence + 1) return everything;
    const missed = batchLog.filter((batch) => batch.sequence > seen.sequence);
    const ids = new Set<string>();
    for (const batch of missed) {
      if (batch.ids === undefined) return everything;
      for (const id of batch.ids) ids.add(id);
    }
    return { ids: bounded(ids), other: missed.some((batch) => batch.other) };
  }

  async function batches(signal: AbortSignal): Promise<void> {
    for (let flushedAt = -Infinity; ;) {
      await wake.promise;
      // A clock that went back must not hold events for as long as it went back.
      const left = Math.min(intervalMs, flushedAt + intervalMs - clock.now());
      await clock.sleep(Math.max(0, left), signal);
      wake = Promise.withResolvers();
      flush();
      flushedAt = clock.now();
    }
  }

  async function heartbeats(signal: AbortSignal): Promise<void> {
    for (;;) {
      await clock.sleep(heartbeatMs, signal);
      await Promise.all([...streams].map(beat));
      noteTime();
    }
  }

  /** Time alone makes things urgent, too: a renewal that does not come, something observed that ends. */
  function noteTime(): void {
    if (streams.size === 0) return;
    try {
      const attention = attentionOf(view.certificates(), clock.now());
      const changed = [...told.keys(), ...attention.keys()].filter((id) => told.get(id) !== attention.get(id));
      if (changed.length > 0) note({ certificateIds: changed, other: false });
    } catch (error) {
      log.error('What needs a person could not be looked at.', { error });
    }
  }

  async function beat(stream: Stream): Promise<void> {
    let allowed = true;
    try {
      allowed = await stream.allowed();
    } catch (error) {
      // The store cannot be read now: the stream tells no more than it told a moment ago.
      log.warn('Whether an event stream may go on could not be checked.', { error });
    }
    if (allowed) send(stream, 'event: alive\ndata: {}\n\n');
    else stream.response.end();
  }

  async function stop(): Promise<void> {
    stopping.abort();
    wake.resolve();
    subscription?.[Symbol.dispose]();
    for (const { response } of streams) response.end();
    streams.clear();
    await running;
  }

  return {
    async start(signal) {
      signal.throwIfAborted();
      subscription = view.onChange(note);
      const both = AbortSignal.any([signal, stopping.signal]);
      running = Promise.all([untilAbort(batches(both), both), untilAbort(heartbeats(both), both)]);
      signal.addEventListener('abort', () => void stop(), { once: true });
    },
    attach(response, { lastEventId, allowed }) {
      if (stopping.signal.aborted || streams.size >= mostStreams) return false;
      response.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      });
      const stream: Stream = { response, allowed };
      // The next connection attempt after a loss comes in two seconds.
      response.write('retry: 2000\n\n');
      const missed = missedSince(lastEventId);
      if (missed !== undefined) send(stream, frame(missed));
      streams.add(stream);
      response.once('close', () => streams.delete(stream));
      return true;
    },
    [Symbol.asyncDispose]: stop,
  };
}

function bounded(ids: ReadonlySet<string>): ReadonlySet<string> | undefined {
  return ids.size > mostIds ? undefined : ids;
}

async function untilAbort(work: Promise<void>, signal: AbortSignal): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
