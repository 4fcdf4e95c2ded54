/** What certificate authorities allow. Kept before the request; a bucket refills evenly over its span. */
import { createHash } from 'node:crypto';
import { getDomain } from 'tldts';
import { canonicalNames } from '../core/names.ts';

const hour = 3_600_000;
const day = 24 * hour;

export interface Limit {
  readonly amount: number;
  readonly perMs: number;
}

export interface IssuerLimits {
  readonly orders?: Limit | undefined;
  readonly perRegisteredDomain?: Limit | undefined;
  readonly perNameSet?: Limit | undefined;
  /** Failed validations of one name. */
  readonly perFailedName?: Limit | undefined;
}

export const letsEncryptLimits: IssuerLimits = {
  orders: { amount: 300, perMs: 3 * hour },
  perRegisteredDomain: { amount: 50, perMs: 7 * day },
  perNameSet: { amount: 5, perMs: 7 * day },
  perFailedName: { amount: 5, perMs: hour },
};

/**
 * Limits of an ACME directory: Let's Encrypt's own for Let's Encrypt. A CA we know nothing about says itself when it is
 * too much; its Retry-After is honoured in any case.
 */
export function limitsFor(directory: string): IssuerLimits {
  const host = URL.canParse(directory) ? new URL(directory).hostname : '';
  return host === 'acme-v02.api.letsencrypt.org' ? letsEncryptLimits : {};
}

export interface Ask {
  readonly issuer: string;
  readonly certificateId: string;
  readonly names: readonly string[];
  /** The same names as the certificate held: such an order counts towards no registered domain's limit. */
  readonly sameNames: boolean;
}

export interface Bucket {
  readonly key: string;
  readonly limit: Limit;
  /** For sentences: "new orders", "certificates for example.com". */
  readonly what: string;
}

/** The buckets an order draws one token from each. */
export function orderBuckets(ask: Ask, limits: IssuerLimits): Bucket[] {
  const { orders } = limits;
  const all = orders === undefined ? [] : [{ key: `${ask.issuer}/orders`, limit: orders, what: 'new orders' }];
  return [...all, ...certificateBuckets(ask, limits)];
}

/** Those among them that CAs count by certificates issued, not by orders. */
export function certificateBuckets({ issuer, names, sameNames }: Ask, limits: IssuerLimits): Bucket[] {
  const buckets: Bucket[] = [];
  if (limits.perRegisteredDomain !== undefined && !sameNames) {
    for (const domain of new Set(names.map(registeredDomain))) {
      const what = `certificates for ${domain}`;
      buckets.push({ key: `${issuer}/domain/${domain}`, limit: limits.perRegisteredDomain, what });
    }
  }
  if (limits.perNameSet !== undefined) {
    const digest = createHash('sha256').update(canonicalNames(names).join('\n')).digest('base64url').slice(0, 22);
    buckets.push({
      key: `${issuer}/names/${digest}`,
      limit: limits.perNameSet,
      what: 'certificates for the same names',
    });
  }
  return buckets;
}

/** The buckets a failed validation draws from, and which must not be empty before the next try. */
export function failureBuckets(issuer: string, names: readonly string[], limits: IssuerLimits): Bucket[] {
  const limit = limits.perFailedName;
  if (limit === undefined) return [];
  return names.map((name) => ({
    key: `${issuer}/failed/${name}`,
    limit,
    what: `failed validations of ${name}`,
  }));
}

function registeredDomain(name: string): string {
  const host = name.replace(/^\*\./, '');
  return getDomain(host, { allowPrivateDomains: true }) ?? host;
}
