import { readBundle } from '../core/bundle.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Issuer } from '../core/ports/issuer.ts';
import type { SelfSignedIssuerConfig } from '../config/model.ts';
import { backdated, selfSign } from '../pki/certificate-authority.ts';
import { createLocalIssuer, day } from './local-issuer.ts';

const defaultLifetimeMs = 90 * day;

/** Certificates that vouch for themselves: for tests and for clients that pin them. `caPem` is the certificate itself. */
export function createSelfSignedIssuer(deps: {
  readonly config: SelfSignedIssuerConfig;
  readonly clock: Clock;
}): Issuer {
  const { config, clock } = deps;
  const issuer = createLocalIssuer({
    name: config.name,
    async sign(request, keyPem) {
      const validity = backdated(clock.now(), request.lifetimeMs ?? defaultLifetimeMs);
      const chainPem = await selfSign(request.dnsNames, keyPem, validity);
      const bundle = { chainPem, keyPem };
      readBundle(bundle, request.dnsNames);
      return { kind: 'issued', bundle, caPem: chainPem };
    },
  });
  return { ...issuer, describe: async () => ({ name: config.name, kind: 'selfSigned' }) };
}
