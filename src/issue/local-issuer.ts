import { CertplaneError } from '../core/errors.ts';
import type { IssuanceRequest, Issuer, StepResult } from '../core/ports/issuer.ts';
import { generatePrivateKey } from '../pki/keys.ts';
import { throwIfAborted } from './interrupted.ts';

export const day = 86_400_000;

export interface LocalSigner {
  readonly name: string;
  /** Throws CertplaneError; everything else counts as a programming error. */
  readonly sign: (
    request: IssuanceRequest,
    keyPem: string,
    signal: AbortSignal,
  ) => Promise<Extract<StepResult, { kind: 'issued' }>>;
}

/** What issuers without a network have in common: make a key, have it persisted, sign. */
export function createLocalIssuer({ name, sign }: LocalSigner): Omit<Issuer, 'describe'> {
  return {
    name,
    steps: ['key', 'sign'],
    begin: () => ({ step: 'key', data: {} }),
    async step(request, state, signal) {
      throwIfAborted(signal);
      if (state.step === 'key' || state.keyPem === undefined) {
        const keyPem = await generatePrivateKey(request.key);
        return { kind: 'continue', state: { step: 'sign', data: {}, keyPem }, note: 'The private key was made.' };
      }
      try {
        return await sign(request, state.keyPem, signal);
      } catch (error) {
        throwIfAborted(signal);
        if (!(error instanceof CertplaneError)) throw error;
        // A store that cannot be read or a root that has ended fails everybody; anything else is about this certificate.
        const scope =
          error.code.startsWith('store.') || error.code === 'certificate.expired' ? 'issuer' : 'certificate';
        return { kind: 'failed', error, scope, state };
      }
    },
    abandon: async (_request, _state, signal) => throwIfAborted(signal),
  };
}
