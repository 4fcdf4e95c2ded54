import type { BackendReport } from '../../core/feed.ts';

/** One worker's good experience is enough for `healthy`; otherwise what is worst is told. */
const order = ['healthy', 'unresolved', 'ejected', 'unhealthy'] as const;

/** What all workers together say of each endpoint. */
export function mergeEndpoints(reports: readonly (readonly BackendReport[])[]): readonly BackendReport[] {
  const merged = new Map<string, BackendReport>();
  for (const one of reports.flat()) {
    const key = `${one.backend}\n${one.endpoint}`;
    const before = merged.get(key);
    if (before === undefined) {
      merged.set(key, one);
      continue;
    }
    const good = before.state === 'healthy' || one.state === 'healthy';
    const worse = order.indexOf(one.state) > order.indexOf(before.state) ? one.state : before.state;
    merged.set(key, {
      ...before,
      state: good ? 'healthy' : worse,
      open: before.open + one.open,
      requests: before.requests + one.requests,
    });
  }
  return [...merged.values()];
}
