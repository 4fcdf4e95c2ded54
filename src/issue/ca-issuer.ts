import { readBundle } from '../core/bundle.ts';
import { formatDuration } from '../core/duration.ts';
import { CertplaneError } from '../core/errors.ts';
import type { Issuer } from '../core/ports/issuer.ts';
import { backdated, signLeaf } from '../pki/certificate-authority.ts';
import { createAuthorities, type AuthorityDeps } from './ca-authority.ts';
import { createLocalIssuer, day } from './local-issuer.ts';

export interface CaIssuer extends Issuer {
  /** PEM of the root for clients to trust; the CA is created where there is none yet. Throws `store.*`, `process.aborted`. */
  rootPem(signal: AbortSignal): Promise<string>;
}

const defaultLifetimeMs = 90 * day;

/**
 * The private CA (backdated by min(5 min, lifetime/10)). Delivers the leaf and the issuing certificate; the
 * root is `caPem`. A leaf never ends after what signed it; a lifetime longer than the root's own is `issuer.unsupported`.
 */
export function createCaIssuer(deps: AuthorityDeps): CaIssuer {
  const { config, clock, log } = deps;
  const authorities = createAuthorities(deps);
  const issuer = createLocalIssuer({
    name: config.name,
    async sign(request, keyPem, signal) {
      const lifetimeMs = request.lifetimeMs ?? Math.min(defaultLifetimeMs, config.lifetimeMs);
      if (lifetimeMs > config.lifetimeMs) throw tooLong(config.name, lifetimeMs, config.lifetimeMs);
      const { issuing, rootPem, notAfter } = await authorities.forLifetime(lifetimeMs, signal);
      const validity = backdated(clock.now(), lifetimeMs);
      if (validity.notAfter > notAfter)
        log.warn('The root of the private CA ends soon, so the certificate is shorter than asked for.', {
          issuer: config.name,
          certificate: request.certificateId,
          endsAt: new Date(notAfter).toISOString(),
        });
      const leaf = await signLeaf(issuing, request.dnsNames, keyPem, {
        ...validity,
        notAfter: Math.min(validity.notAfter, notAfter),
      });
      const bundle = { chainPem: leaf + issuing.certPem, keyPem };
      readBundle(bundle, request.dnsNames);
      return { kind: 'issued', bundle, caPem: rootPem };
    },
  });
  return {
    ...issuer,
    rootPem: authorities.root,
    async describe(signal) {
      return { name: config.name, kind: 'ca', rootPem: await authorities.findRoot(signal) };
    },
  };
}

function tooLong(name: string, wanted: number, most: number): CertplaneError {
  return new CertplaneError(
    'issuer.unsupported',
    `A lifetime of ${formatDuration(wanted)} is longer than that of the root of ${name} (${formatDuration(most)}); ask for a shorter one.`,
  );
}
