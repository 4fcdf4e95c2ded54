/** The configuration last applied, kept in the store: what runs goes on with it while a new one is held. */
import { createHash } from 'node:crypto';
import type { Config } from '../config/model.ts';
import type { CertificateStore } from '../core/ports/certificate-store.ts';
import type { Clock } from '../core/ports/clock.ts';

const key = 'applied';

export interface AppliedConfig {
  /** Writes nothing when it is the one that is kept. */
  keep(config: Config, signal: AbortSignal): Promise<void>;
  last(signal: AbortSignal): Promise<Config | undefined>;
}

export function createAppliedConfig({ store, clock }: { store: CertificateStore; clock: Clock }): AppliedConfig {
  return {
    async keep(config, signal) {
      const json = JSON.stringify(config);
      const digest = createHash('sha256').update(json).digest('hex');
      if ((await store.find('config', key, signal))?.value.digest === digest) return;
      const value = {
        appliedAt: clock.now(),
        digest,
        certificates: config.certificates.length,
        terminator: config.terminator !== undefined,
      };
      // The whole is the secret: it may carry credentials of issuers.
      await store.put('config', { key, value, secret: { json }, expect: 'any' }, signal);
    },
    async last(signal) {
      if ((await store.find('config', key, signal)) === undefined) return undefined;
      const { json } = await store.secret('config', key, signal);
      return JSON.parse(json) as Config;
    },
  };
}
