/** Finding certificates by what people call them. */
import type { Certificate, CertificateDetail, CertificateList } from '../api/contract/certificates.ts';
import { CertplaneError, hasCode } from '../core/errors.ts';
import { isWildcard, nameCovers, normaliseName, wildcardFor } from '../core/names.ts';
import type { ApiClient, CallOptions } from './client.ts';

const pageSize = 1000;

/** Every certificate that the query selects, page after page. */
export async function allCertificates(
  api: ApiClient,
  query: Readonly<Record<string, string>>,
  { limit = Infinity, ...options }: CallOptions & { limit?: number },
): Promise<{ items: Certificate[]; total: number }> {
  const items: Certificate[] = [];
  let total = 0;
  let cursor: string | null = null;
  do {
    const parameters = new URLSearchParams({
      ...query,
      limit: String(Math.min(pageSize, limit - items.length)),
      ...(cursor === null ? {} : { cursor }),
    });
    const page: CertificateList = await api.get<CertificateList>(`/certificates?${parameters.toString()}`, options);
    items.push(...page.items);
    total = page.total;
    cursor = page.items.length === 0 ? null : page.next;
  } while (cursor !== null && items.length < limit);
  return { items, total };
}

export async function certificateDetail(api: ApiClient, id: string, options: CallOptions): Promise<CertificateDetail> {
  return await api.get<CertificateDetail>(certificatePath(id), options);
}

export function certificatePath(id: string): string {
  return `/certificates/${encodeURIComponent(id)}`;
}

/**
 * The one certificate meant by an id, a name or a host, in this order; a host also finds the wildcard that covers it.
 * Throws `certificate.not-found`, and `certificate.ambiguous` with the ids that match equally well.
 */
export async function findCertificate(
  api: ApiClient,
  wanted: string,
  options: CallOptions,
): Promise<CertificateDetail> {
  if (wanted.includes('/')) {
    try {
      return await certificateDetail(api, wanted, options);
    } catch (error) {
      if (!hasCode(error, 'certificate.not-found')) throw error;
    }
  }
  const host = normaliseName(wanted);
  const wildcard = host === undefined || isWildcard(host) ? undefined : wildcardFor(host);
  const candidates = new Map<string, Certificate>();
  for (const q of new Set([wanted, host, wildcard])) {
    if (q === undefined || q.length === 0 || q.length > 253) continue;
    for (const one of (await allCertificates(api, { q }, options)).items) candidates.set(one.id, one);
  }
  const all = [...candidates.values()];
  const ranks: ((one: Certificate) => boolean)[] = [
    (one) => one.id === wanted,
    (one) => one.name === wanted,
    (one) => host !== undefined && one.names.includes(host),
    (one) => host !== undefined && one.names.some((name) => nameCovers(name, host)),
  ];
  for (const matches of ranks) {
    const found = all.filter(matches);
    const [only] = found;
    if (only === undefined) continue;
    if (found.length === 1) return await certificateDetail(api, only.id, options);
    const ids = found
      .slice(0, 20)
      .map(({ id }) => `\n  ${id}`)
      .join('');
    throw new CertplaneError(
      'certificate.ambiguous',
      `Several certificates match "${wanted}"; name one by its id:${ids}`,
    );
  }
  throw new CertplaneError(
    'certificate.not-found',
    `There is no certificate with the id, name or host "${wanted}"; "certplane list" shows all of them.`,
  );
}
