/** Everything the page reads, and under which key it is kept. `api/apply-change.ts` knows the same keys. */
import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';
import type {
  CertificateDetail,
  CertificateList,
  HistoryEntry,
  Issuer,
  Overview,
  Session,
  Terminator,
} from '../types.ts';
import { ApiError, request } from './client.ts';

const pageSize = 100;

/** Null: nobody is logged in. */
export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: async ({ signal }): Promise<Session | null> => {
    try {
      return await request<Session>('/session', { signal });
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return null;
      throw error;
    }
  },
  // Before anything is on the screen there are no events that would say that the server is back.
  refetchInterval: ({ state }) => (state.data === undefined && state.error !== null ? 3_000 : false),
});

export const overviewQuery = queryOptions({
  queryKey: ['overview'],
  queryFn: async ({ signal }) => await request<Overview>('/overview', { signal }),
});

/** `filter` is the query string of the certificates page: q, phase, issuer, attention, sort. */
export function certificatesQuery(filter: string) {
  return infiniteQueryOptions({
    queryKey: ['certificates', filter],
    queryFn: async ({ pageParam, signal }) => {
      const query = new URLSearchParams(filter);
      query.set('limit', String(pageSize));
      if (pageParam !== '') query.set('cursor', pageParam);
      return await request<CertificateList>(`/certificates?${query}`, { signal });
    },
    initialPageParam: '',
    getNextPageParam: (page: CertificateList) => page.next,
    placeholderData: keepPreviousData,
  });
}

/** What renews next, for the overview. What fails and is tried again stands with what needs a person. */
export const upcomingQuery = queryOptions({
  queryKey: ['certificates', 'upcoming'],
  queryFn: async ({ signal }) =>
    (await request<CertificateList>('/certificates?phase=ready&sort=renewAt&limit=25', { signal })).items
      .filter(({ nextAction, nextActionAt }) => nextAction !== 'none' && nextActionAt !== null)
      .slice(0, 5),
});

export function certificateQuery(id: string) {
  return queryOptions({
    queryKey: ['certificate', id],
    queryFn: async ({ signal }) =>
      await request<CertificateDetail>(`/certificates/${encodeURIComponent(id)}`, { signal }),
  });
}

export const issuersQuery = queryOptions({
  queryKey: ['issuers'],
  queryFn: async ({ signal }) => (await request<{ items: Issuer[] }>('/issuers', { signal })).items,
});

export const terminatorsQuery = queryOptions({
  queryKey: ['terminators'],
  queryFn: async ({ signal }) => (await request<{ items: Terminator[] }>('/terminators', { signal })).items,
});

/** `filter`: certificate, kind. Pages go back in time. */
export function historyQuery(filter: string, limit = pageSize) {
  return infiniteQueryOptions({
    queryKey: ['history', filter, limit],
    queryFn: async ({ pageParam, signal }) => {
      const query = new URLSearchParams(filter);
      query.set('limit', String(limit));
      if (pageParam > 0) query.set('before', String(pageParam));
      return (await request<{ items: HistoryEntry[] }>(`/history?${query}`, { signal })).items;
    },
    initialPageParam: 0,
    getNextPageParam: (page: HistoryEntry[]) => (page.length < limit ? null : (page.at(-1)?.id ?? null)),
    placeholderData: keepPreviousData,
  });
}

export async function renewCertificate(id: string): Promise<void> {
  await request(`/certificates/${encodeURIComponent(id)}/renew`, { method: 'POST' });
}

export async function logIn(token: string): Promise<void> {
  await request('/session', { method: 'POST', body: { token } });
}

export async function logOut(): Promise<void> {
  await request('/session', { method: 'DELETE' });
}
