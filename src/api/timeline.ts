/** When certificates end and are renewed, counted in spans that keep what is near and what is far readable. */
import type { CertificateView } from '../core/ports/control-view.ts';
import type { Overview } from './contract/overview.ts';
import { rfc3339 } from './time.ts';

const spanCount = 24;
/** Of spans that grow, the first is no shorter. */
const leastSpanMs = 60_000;
/** With more than this share of everything in the first of equal spans, the others would tell nothing. */
const crowded = 1 / 4;

export type Ends = Pick<CertificateView, 'renewAt'> & { readonly notAfter: number | undefined };

export function timeline(all: readonly Ends[], now: number): Overview['timeline'] {
  const ends = all.flatMap(({ notAfter = 0 }) => (notAfter > now ? [notAfter] : []));
  if (ends.length === 0) return [];
  const last = ends.reduce((a, b) => Math.max(a, b));
  const renewals = all.flatMap(({ renewAt = 0 }) => (renewAt >= now && renewAt <= last ? [renewAt] : []));
  const edges = spanEdges([...ends, ...renewals], last, now);
  const spans = edges.slice(1).map((end, i) => ({
    start: rfc3339(edges[i] ?? now),
    end: rfc3339(end),
    expiring: 0,
    renewing: 0,
  }));
  const count = (dates: readonly number[], what: 'expiring' | 'renewing'): void => {
    for (const at of dates) {
      const after = edges.findIndex((edge) => at < edge);
      const span = spans[after === -1 ? spanCount - 1 : after - 1]; // the last date is the last edge
      if (span !== undefined) span[what] += 1;
    }
  };
  count(ends, 'expiring');
  count(renewals, 'renewing');
  return spans;
}

/**
 * From now to the last date. Equal spans, unless most of `dates` would share the first: then each is longer than the
 * one before by the same factor, and the first ends where the soonest date is.
 */
function spanEdges(dates: readonly number[], last: number, now: number): number[] {
  const equal = (last - now) / spanCount;
  const inFirst = dates.filter((at) => at < now + equal).length;
  if (inFirst <= dates.length * crowded) return edgesOf((i) => now + i * equal);
  const soonest = dates.reduce((a, b) => Math.min(a, b)) - now;
  const first = Math.min(Math.max(soonest, leastSpanMs), equal);
  const factor = ((last - now) / first) ** (1 / (spanCount - 1));
  return edgesOf((i) => (i === 0 ? now : now + first * factor ** (i - 1)));
}

function edgesOf(at: (index: number) => number): number[] {
  return Array.from({ length: spanCount + 1 }, (_, i) => Math.round(at(i)));
}
