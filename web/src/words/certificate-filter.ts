/** Search, filter and order of the certificates page: they live in its address, in the API's own words. */
import { useCallback, useMemo } from 'react';
import { navigate, useSearch } from 'wouter/use-browser-location';
import type { Phase } from '../types.ts';
import { phaseOrder } from './status.ts';

export const sortWords = {
  urgency: 'Most urgent first',
  name: 'Name, A to Z',
  '-name': 'Name, Z to A',
  notAfter: 'Expires soonest',
  '-notAfter': 'Expires latest',
  renewAt: 'Renews soonest',
  '-renewAt': 'Renews latest',
} as const;

export type Sort = keyof typeof sortWords;

export interface CertificateFilter {
  readonly q: string;
  readonly phase: Phase | undefined;
  readonly issuer: string | undefined;
  readonly attention: boolean;
  readonly sort: Sort;
}

/** What the address does not say, or says wrongly, is the default. */
function readFilter(search: string): CertificateFilter {
  const query = new URLSearchParams(search);
  const sort = query.get('sort') ?? '';
  return {
    q: (query.get('q') ?? '').slice(0, 253),
    phase: phaseOrder.find((phase) => phase === query.get('phase')),
    issuer: query.get('issuer')?.slice(0, 253),
    attention: query.get('attention') === 'true',
    sort: Object.hasOwn(sortWords, sort) ? (sort as Sort) : 'urgency',
  };
}

/** Empty for the defaults. */
export function writeFilter({ q, phase, issuer, attention, sort }: CertificateFilter): string {
  const query = new URLSearchParams();
  if (q !== '') query.set('q', q);
  if (phase !== undefined) query.set('phase', phase);
  if (issuer !== undefined) query.set('issuer', issuer);
  if (attention) query.set('attention', 'true');
  if (sort !== 'urgency') query.set('sort', sort);
  return query.toString();
}

export function certificatesPath(filter: CertificateFilter): string {
  const query = writeFilter(filter);
  return query === '' ? '/certificates' : `/certificates?${query}`;
}

/** The filter of the address, and a way to change parts of it without a new entry in the browser's history. */
export function useCertificateFilter(): readonly [CertificateFilter, (change: Partial<CertificateFilter>) => void] {
  const search = useSearch();
  const filter = useMemo(() => readFilter(search), [search]);
  const change = useCallback((part: Partial<CertificateFilter>) => {
    navigate(certificatesPath({ ...readFilter(window.location.search), ...part }), { replace: true });
  }, []);
  return [filter, change];
}
