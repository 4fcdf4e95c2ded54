/** Filtering, sorting and paging of certificates. A cursor names the last item seen, so pages neither repeat nor skip what stays. */
import { z } from 'zod';
import { CertplaneError } from '../core/errors.ts';
import type { CertificateView } from '../core/ports/control-view.ts';
import { assess, urgencyRank, type Urgency } from '../explain/urgency.ts';
import { certificateSorts, phases, type CertificateList, type CertificateQuery } from './contract/certificates.ts';
import { countBy } from './counts.ts';
import { presentCertificate } from './present.ts';

/** Longer names that begin alike are told apart by their ids; a cursor stays short. */
const longestNameKey = 100;

type Sort = (typeof certificateSorts)[number];
/** Compared part by part; null comes last in either direction. */
type SortKey = readonly (number | string | null)[];

/** Judged once: for the filter, the order and the counts. */
interface Judged {
  readonly view: CertificateView;
  readonly urgency: Urgency;
}

interface Entry {
  readonly id: string;
  readonly key: SortKey;
}

/** `now` travels along: what is urgent is judged at the same time on every page of one listing. */
const cursorSchema = z.strictObject({
  sort: z.enum(certificateSorts),
  key: z.array(z.union([z.number(), z.string(), z.null()])).max(3),
  id: z.string().max(512),
  now: z.number().int().min(0).max(8.64e15),
});

/** Throws `api.invalid-request` for a cursor that is not one of this listing. */
export function certificatePage(
  views: readonly CertificateView[],
  query: CertificateQuery,
  clockNow: number,
): CertificateList {
  const { sort, limit } = query;
  const after = query.cursor === undefined ? undefined : readCursor(query.cursor, sort);
  const now = after?.now ?? clockNow;
  const found = search(views, query).map((view): Judged => ({ view, urgency: assess(view, now).urgency }));
  const { phase, attention } = query;
  const matches = found.filter(
    ({ view, urgency }) =>
      (phase === undefined || view.status.phase === phase) && (attention === undefined || urgency !== 'none'),
  );
  const order = comparator(sort);
  const cursor: Entry | undefined = after === undefined ? undefined : { id: after.id, key: after.key };
  const rest = matches
    .map((judged) => ({ id: judged.view.id, key: keyOf(judged, sort), view: judged.view }))
    .filter((entry) => cursor === undefined || order(entry, cursor) > 0);
  const page = smallest(rest, limit, order);
  const last = page.at(-1);
  return {
    items: page.map(({ view }) => presentCertificate(view, now)),
    next:
      last === undefined || rest.length <= limit ? null : writeCursor({ sort, key: [...last.key], id: last.id, now }),
    total: matches.length,
    counts: {
      total: found.length,
      attention: found.filter(({ urgency }) => urgency !== 'none').length,
      phases: countBy(phases, found, ({ view }) => view.status.phase),
    },
  };
}

function search(views: readonly CertificateView[], query: CertificateQuery): readonly CertificateView[] {
  const { issuer } = query;
  const text = query.q?.trim().toLowerCase() ?? '';
  return views.filter(
    (view) =>
      (issuer === undefined || isOfIssuer(view, issuer)) &&
      (text === '' || searchable(view).some((part) => part.toLowerCase().includes(text))),
  );
}

/** It issued the version in use, or is the one that is asked first for the next. */
export function isOfIssuer({ current, record }: CertificateView, issuer: string): boolean {
  return current?.issuerName === issuer || record?.spec.issuers[0] === issuer;
}

function searchable({ id, name, names, current, record }: CertificateView): readonly string[] {
  return [id, name, ...names, ...(record?.spec.issuers ?? []), current?.issuerName ?? '', current?.serial ?? ''];
}

function keyOf({ view, urgency }: Judged, sort: Sort): SortKey {
  switch (sort) {
    case 'urgency':
      return [urgencyRank(urgency), view.current?.notAfter ?? null];
    case 'name':
    case '-name':
      return [view.name.toLowerCase().slice(0, longestNameKey)];
    case 'notAfter':
    case '-notAfter':
      return [view.current?.notAfter ?? null];
    case 'renewAt':
    case '-renewAt':
      return [view.renewAt ?? null];
  }
}

function comparator(sort: Sort): (one: Entry, other: Entry) => number {
  const sign = sort.startsWith('-') ? -1 : 1;
  return (one, other) => {
    for (let i = 0; i < one.key.length; i += 1) {
      const a = one.key[i] ?? null;
      const b = other.key[i] ?? null;
      if (a === b) continue;
      if (a === null) return 1;
      if (b === null) return -1;
      return a < b ? -sign : sign;
    }
    return one.id < other.id ? -1 : one.id > other.id ? 1 : 0;
  };
}

/** The first `count` in order. Sorting a whole large fleet for each page would hold everything else up. */
function smallest<T extends Entry>(entries: readonly T[], count: number, order: (a: T, b: T) => number): T[] {
  let kept: T[] = [];
  let bound: T | undefined;
  for (const entry of entries) {
    if (bound !== undefined && order(entry, bound) > 0) continue;
    kept.push(entry);
    if (kept.length < count * 4) continue;
    kept = kept.toSorted(order).slice(0, count);
    bound = kept.at(-1);
  }
  return kept.toSorted(order).slice(0, count);
}

function writeCursor(cursor: z.infer<typeof cursorSchema>): string {
  return Buffer.from(JSON.stringify(cursor)).toString('base64url');
}

function readCursor(text: string, sort: Sort): z.infer<typeof cursorSchema> {
  try {
    const cursor = cursorSchema.parse(JSON.parse(Buffer.from(text, 'base64url').toString()));
    if (cursor.sort === sort) return cursor;
  } catch (cause) {
    throw new CertplaneError('api.invalid-request', 'The cursor is not one this server gave out.', { cause });
  }
  throw new CertplaneError('api.invalid-request', 'The cursor belongs to a listing with another sort order.');
}
