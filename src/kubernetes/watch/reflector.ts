/**
 * Keeps a copy of one kind of object up to date: a paged LIST, then WATCH from its resource version with bookmarks,
 * resumed where it broke off, listed again on 410 Gone. It never gives up and never reports an outage as a deletion.
 */
import type { CertplaneError } from '../../core/errors.ts';
import { toCertplaneError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { Random } from '../../core/ports/random.ts';
import { KubernetesStatusError, type KubernetesObject, type WatchClient } from './api-client.ts';

const pageSize = '500';
/** The server ends a quiet watch after this long; jittered so that a fleet does not return at once. */
const watchSeconds = 290;
const backoffMs = { first: 1_000, most: 30_000 } as const;

export type ReflectorEvent<T> =
  /** Everything there is. */
  | { readonly type: 'replace'; readonly objects: readonly T[] }
  | { readonly type: 'upsert'; readonly object: T }
  | { readonly type: 'delete'; readonly object: T }
  /** The server cannot be reached or refuses; `failures` in a row. What was known still holds. */
  | { readonly type: 'trouble'; readonly error: CertplaneError; readonly failures: number }
  | { readonly type: 'recovered' };

export interface ReflectorDeps {
  readonly client: WatchClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface ReflectorTarget {
  /** `/api/v1/namespaces/shop/secrets` */
  readonly path: string;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

/** Ends with the signal (it returns); never throws. */
export async function* reflect<T extends KubernetesObject>(
  { client, clock, random, log }: ReflectorDeps,
  target: ReflectorTarget,
  signal: AbortSignal,
): AsyncIterable<ReflectorEvent<T>> {
  const selectors: Record<string, string> = {};
  if (target.labelSelector !== undefined) selectors['labelSelector'] = target.labelSelector;
  if (target.fieldSelector !== undefined) selectors['fieldSelector'] = target.fieldSelector;
  let version: string | undefined;
  let failures = 0;

  while (!signal.aborted) {
    try {
      if (version === undefined) {
        const listed = await listAll<T>(client, target.path, selectors, signal);
        version = listed.version;
        yield { type: 'replace', objects: listed.objects };
      }
      const seconds = Math.round(watchSeconds * (0.9 + 0.2 * random.next()));
      const query = {
        ...selectors,
        resourceVersion: version,
        allowWatchBookmarks: 'true',
        timeoutSeconds: String(seconds),
      };
      const events = await client.watch<T>(target.path, query, { silenceMs: (seconds + 30) * 1000, signal });
      if (failures > 0) {
        failures = 0;
        yield { type: 'recovered' };
      }
      const openedAt = clock.now();
      let received = 0;
      for await (const event of events) {
        received += 1;
        if (event.type === 'ERROR')
          throw new KubernetesStatusError(event.object.code ?? 500, event.object.message ?? 'The watch failed.');
        version = event.object.metadata.resourceVersion ?? version;
        if (event.type === 'DELETED') yield { type: 'delete', object: event.object };
        else if (event.type !== 'BOOKMARK') yield { type: 'upsert', object: event.object };
      }
      // A server that closes every watch at once must not be hammered.
      if (received === 0 && clock.now() - openedAt < 1_000) await clock.sleep(backoffMs.first, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof KubernetesStatusError && error.status === 410) {
        log.info('watch is too old, listing again', { path: target.path });
        version = undefined;
        if (failures === 0) continue;
      }
      failures += 1;
      const trouble = toCertplaneError(error, 'kubernetes.unreachable');
      log.warn('watching Kubernetes failed', {
        path: target.path,
        failures,
        code: trouble.code,
        reason: trouble.message,
      });
      yield { type: 'trouble', error: trouble, failures };
      const wait = Math.min(backoffMs.most, backoffMs.first * 2 ** Math.min(failures - 1, 10));
      await clock.sleep(wait * (0.5 + random.next() / 2), signal).catch(() => undefined); // aborted: the loop's condition ends it
    }
  }
}

async function listAll<T>(
  client: WatchClient,
  path: string,
  selectors: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<{ objects: T[]; version: string }> {
  const objects: T[] = [];
  for (let next: string | undefined; ;) {
    const page = await client.list<T>(
      path,
      { ...selectors, limit: pageSize, ...(next === undefined ? {} : { continue: next }) },
      signal,
    );
    for (const object of page.items ?? []) objects.push(object);
    next = page.metadata.continue;
    if (next === undefined || next === '') return { objects, version: page.metadata.resourceVersion };
  }
}
