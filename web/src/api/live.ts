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

/**
 * Follows `/api/v1/events`. The browser reconnects by itself and sends Last-Event-ID; where it gives up (an answer
 * other than 200) a new connection starts, and everything is read again. EventSource hides the status, so the first
 * error of an outage is probed with a request: 401 goes to `onLoggedOut`.
 */
export function useLive(onLoggedOut: () => void): Connection {
  const client = useQueryClient();
  const [connection, setConnection] = useState<Connection>('connecting');

  useEffect(() => {
    const ended = new AbortController();
    const take = gather(async (changes) => await applyChanges(client, changes), ended.signal);
    const source = followEvents({
      signal: ended.signal,
      onOpen: () => setConnection('live'),
      onChanges: take,
      onOutage: () => {
        setConnection('reconnecting');
        probe(ended.signal, onLoggedOut);
      },
    });
    source.start();
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

function followEvents({ signal, onOpen, onChanges, onOutage }: FollowOptions) {
  let down = false;
  let retryMs = firstRetryMs;
  function start(startedOver = false): void {
    const source = new EventSource('/api/v1/events');
    let timer: number | undefined;
    signal.addEventListener('abort', () => {
      source.close();
      window.clearTimeout(timer);
    });
    source.addEventListener('open', () => {
      down = false;
      retryMs = firstRetryMs;
      onOpen();
      if (startedOver) onChanges(everythingChanged);
    });
    source.addEventListener('change', (event) => onChanges(asChanges(JSON.parse(event.data as string) as ChangeEvent)));
    source.addEventListener('snapshot', () => onChanges(everythingChanged));
    source.addEventListener('error', () => {
      if (!down) onOutage();
      down = true;
      if (source.readyState !== EventSource.CLOSED) return;
      timer = window.setTimeout(() => start(true), retryMs);
      retryMs = Math.min(retryMs * 2, longestRetryMs);
    });
  }
  return { start };
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
