/** Says as problems which TLS policies cannot be put in effect, and which revocation lists have run out. */
import { createSecureContext } from 'node:tls';
import type { TerminatorSettings } from '../../core/terminator.ts';
import type { TlsPolicy } from '../../core/tls-policy.ts';
import { DerError, DerSequence, readTime, single, tags } from './ocsp/der.ts';
import type { Problems } from './problems.ts';

const code = 'terminator.policy-unusable';

/** Versions, cipher suites and groups are the TLS library's to judge; workers refuse clients of what it does not take. */
export function checkPolicies({ tls, hosts }: TerminatorSettings, problems: Problems): void {
  problems.clearPrefix('tls-policy ');
  const named: [string, TlsPolicy][] = [['every other host', tls]];
  for (const { names, tls: own } of hosts) if (own !== undefined) named.push([names.join(', '), own]);
  // Very many hosts have very few policies between them, and each takes the library a moment.
  const judged = new Map<string, string | undefined>();
  for (const [who, policy] of named) {
    const { minVersion, ciphers, curves } = policy;
    const key = JSON.stringify([minVersion, ciphers, curves]);
    if (!judged.has(key)) judged.set(key, wrongWith(policy));
    const wrong = judged.get(key);
    if (wrong === undefined) continue;
    const message = `The TLS library does not take the TLS policy of ${who}: ${wrong}. Clients of these hosts are refused.`;
    problems.set(`tls-policy ${who}`, { code, message, subject: who });
  }
}

function wrongWith({ minVersion, ciphers, curves }: TlsPolicy): string | undefined {
  try {
    createSecureContext({
      ca: [],
      minVersion,
      ...(ciphers.length === 0 ? {} : { ciphers: ciphers.join(':') }),
      ecdhCurve: curves.join(':'),
    });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** When the revocation lists of a text run out (RFC 5280 §5.1.2.5), those that say so. */
export function endsOfLists(pem: string): readonly number[] {
  const blocks = pem.matchAll(/-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]+)-----END X509 CRL-----/g);
  return [...blocks].flatMap(([, base64 = '']) => nextUpdateOf(Buffer.from(base64, 'base64')) ?? []);
}

function nextUpdateOf(list: Buffer): number | undefined {
  try {
    const outer = new DerSequence(single(list, tags.sequence).content);
    const fields = new DerSequence(outer.take(tags.sequence).content);
    fields.optional(tags.integer); // version
    fields.take(tags.sequence); // signature algorithm
    fields.take(tags.sequence); // issuer
    fields.takeAny(); // thisUpdate
    const next = fields.optional(tags.utcTime) ?? fields.optional(tags.generalizedTime);
    return next && readTime(next);
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}
