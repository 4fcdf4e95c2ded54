/** The page's one connection to the server's events. */
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { ChangeEvent } from '../types.ts';
import { applyChanges, asChanges, everythingChanged, mergeChanges, noChanges, type Changes } from './apply-change.ts';
import { ApiError, request } from './client.ts';

export type Connection = 'connecting' | 'live' | 'reconnecting';

/** Events that arrive within this time are applied together. */
const gatherMs = 100;
const firstRetryMs = 1_000;
const longestRetryMs = 15_000;
/** The server says something every 15 s; a connection that died without a word (a suspend, another network) does not. */
const silentMs = 40_000;
/** A browser opens at most six HTTP/1.1 connections to one origin, over all tabs: hidden ones give theirs back. */
const hiddenMs = 5_000;

/**
 * Follows `/api/v1/events`. The browser reconnects by itself and sends Last-Event-ID; where it gives up (an answer
 * other than 200) or nothing comes any more, a new connection starts, and everything is read again. EventSource hides the status, so the first
 * error of an outage is probed with a request: 401 goes to `onLoggedOut`. A hidden page does not listen.
 */
export function useLive(onLoggedOut: () => void): Connection {
  const client = useQueryClient();
  const [connection, setConnection] = useState<Connection>('connecting');

  useEffect(() => {
    const ended = new AbortController();
    const take = gather(async (changes) => await applyChanges(client, changes), ended.signal);
    followEvents({
      signal: ended.signal,
      onOpen: () => setConnection('live'),
      onChanges: take,
      onOutage: () => {
        setConnection('reconnecting');
        probe(ended.signal, onLoggedOut);
      },
    });
    return () => ended.abort();
  }, [client, onLoggedOut]);

  return connection;
}

interface FollowOptions {
  readonly signal: AbortSignal;
  readonly onOpen: () => void;
  readonly onChanges: (changes: Changes) => void;
  /** Once per outage. */
  readonly onOutage: () => void;
}

function followEvents({ signal, onOpen, onChanges, onOutage }: FollowOptions): void {
  let source: EventSource | undefined;
  let timer: number | undefined;
  let silence: number | undefined;
  let down = false;
  let retryMs = firstRetryMs;

  function start(startedOver: boolean): void {
    stop();
    const stream = new EventSource('/api/v1/events');
    source = stream;
    listen();
    stream.addEventListener('open', () => {
      listen();
      down = false;
      retryMs = firstRetryMs;
      onOpen();
      if (startedOver) onChanges(everythingChanged);
    });
    stream.addEventListener('alive', listen);
    stream.addEventListener('change', (event) => {
      listen();
      onChanges(asChanges(JSON.parse(event.data as string) as ChangeEvent));
    });
    stream.addEventListener('snapshot', () => {
      listen();
      onChanges(everythingChanged);
    });
    stream.addEventListener('error', () => {
      outage();
      if (stream.readyState !== EventSource.CLOSED) return;
      timer = window.setTimeout(() => start(true), retryMs);
      retryMs = Math.min(retryMs * 2, longestRetryMs);
    });
  }

  /** Something came, or may come from now on. */
  function listen(): void {
    window.clearTimeout(silence);
    silence = window.setTimeout(() => {
      outage();
      start(true);
    }, silentMs);
  }

  function outage(): void {
    if (!down) onOutage();
    down = true;
  }

  function stop(): void {
    window.clearTimeout(timer);
    window.clearTimeout(silence);
    source?.close();
    source = undefined;
  }

  function onVisibility(): void {
    window.clearTimeout(timer);
    if (document.visibilityState === 'hidden') timer = window.setTimeout(stop, hiddenMs);
    else if (source === undefined || source.readyState === EventSource.CLOSED) start(true);
  }

  // A page kept for the back button must not keep its connection.
  window.addEventListener('pagehide', stop, { signal });
  window.addEventListener('pageshow', onVisibility, { signal });
  document.addEventListener('visibilitychange', onVisibility, { signal });
  signal.addEventListener('abort', stop);
  start(false);
}

/** Collects for a moment, and never starts the next round before the last one is done. */
function gather(apply: (changes: Changes) => Promise<void>, signal: AbortSignal): (changes: Changes) => void {
  let waiting = noChanges;
  let running = false;
  async function run(): Promise<void> {
    running = true;
    while (waiting !== noChanges && !signal.aborted) {
      await new Promise((resolve) => window.setTimeout(resolve, gatherMs));
      const batch = waiting;
      waiting = noChanges;
      await apply(batch);
    }
    running = false;
  }
  return (changes) => {
    waiting = mergeChanges(waiting, changes);
    if (!running) void run();
  };
}

function probe(signal: AbortSignal, onLoggedOut: () => void): void {
  request('/session', { signal }).catch((error: unknown) => {
    // Any other failure is the outage itself, which is already on the screen.
    if (error instanceof ApiError && error.status === 401 && !signal.aborted) onLoggedOut();
  });
}
