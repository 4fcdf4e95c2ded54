import { createHash, randomBytes } from 'node:crypto';
import { readChain } from '../core/bundle.ts';
import { formatDuration } from '../core/duration.ts';
import { CertplaneError, hasCode } from '../core/errors.ts';
import type { CertificateStore, Stored } from '../core/ports/certificate-store.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { CaIssuerConfig } from '../config/model.ts';
import { backdated, createIssuingCa, createRoot, type Signer, type Validity } from '../pki/certificate-authority.ts';
import { generatePrivateKey } from '../pki/keys.ts';
import { Serial } from '../core/serial.ts';
import { timeText } from '../core/time-text.ts';
import { throwIfAborted } from './interrupted.ts';

/** What signs leaves, and the root above it. */
export interface Authority {
  readonly issuing: Signer;
  readonly rootPem: string;
  /** Nothing signed here may end later; milliseconds since the epoch. */
  readonly notAfter: number;
}

export interface AuthorityDeps {
  readonly config: CaIssuerConfig;
  readonly store: CertificateStore;
  readonly clock: Clock;
  readonly log: Log;
}

const key = { algorithm: 'ecdsa', size: 256 } as const;

/**
 * The private CA of one issuer, kept in the store: a root made once and never replaced (clients trust it), and an
 * issuing certificate below it that is renewed, with a new key, when it could not outlive what it is to sign.
 */
export function createAuthorities({ config, store, clock, log }: AuthorityDeps) {
  const serial = new Serial();

  async function create(signal: AbortSignal): Promise<void> {
    const now = clock.now();
    const rootKeyPem = await generatePrivateKey(key);
    const mark = randomBytes(3).toString('hex'); // two installations must not share a distinguished name
    const validity = backdated(now, config.lifetimeMs);
    const rootPem = await createRoot(`${config.name} root ${mark}`, rootKeyPem, validity);
    const issuingKeyPem = await generatePrivateKey(key);
    const root = { certPem: rootPem, keyPem: rootKeyPem };
    const issuingPem = await createIssuingCa(root, issuingName(issuingKeyPem), issuingKeyPem, {
      ...validity,
      notAfter: issuingEnd(validity, now, now),
    });
    const value = { issuerName: config.name, rootPem, issuingPem, createdAt: now };
    try {
      const secret = { rootKeyPem, issuingKeyPem };
      await store.put('authority', { key: config.name, value, secret, expect: 'absent' }, signal);
      log.info('Created a private CA.', { issuer: config.name, lasts: formatDuration(config.lifetimeMs) });
    } catch (error) {
      if (!hasCode(error, 'store.conflict')) throw error; // somebody else made it meanwhile: theirs counts
    }
  }

  async function renewIssuing(stored: Stored<'authority'>, neededUntil: number, signal: AbortSignal): Promise<void> {
    const { rootKeyPem } = await store.secret('authority', config.name, signal);
    const root = readChain(stored.value.rootPem);
    const issuingKeyPem = await generatePrivateKey(key);
    const now = clock.now();
    const signer = { certPem: stored.value.rootPem, keyPem: rootKeyPem };
    const issuingPem = await createIssuingCa(signer, issuingName(issuingKeyPem), issuingKeyPem, {
      notBefore: Math.max(backdated(now, root.notAfter - now).notBefore, root.notBefore),
      notAfter: issuingEnd(root, now, neededUntil),
    });
    try {
      const put = { key: config.name, value: { ...stored.value, issuingPem }, expect: { revision: stored.revision } };
      await store.put('authority', { ...put, secret: { rootKeyPem, issuingKeyPem } }, signal);
      log.info('Renewed the issuing certificate of a private CA.', { issuer: config.name });
    } catch (error) {
      if (!hasCode(error, 'store.conflict')) throw error;
    }
  }

  /** The name carries the key's digest: chains with an old and a new issuing certificate never look alike. */
  function issuingName(keyPem: string): string {
    return `${config.name} issuing ${createHash('sha256').update(keyPem).digest('hex').slice(0, 6)}`;
  }

  async function read(signal: AbortSignal): Promise<Stored<'authority'>> {
    const found = await store.find('authority', config.name, signal);
    if (found !== undefined) return found;
    await create(signal);
    return await store.get('authority', config.name, signal);
  }

  return {
    /** PEM of the root, if there is one already. */
    findRoot: async (signal: AbortSignal): Promise<string | undefined> =>
      (await store.find('authority', config.name, signal))?.value.rootPem,

    /** PEM of the root, which is created where there is none. */
    root: async (signal: AbortSignal): Promise<string> =>
      await serial.run('', async () => (await read(signal)).value.rootPem, signal),

    /** The CA for a leaf of that lifetime. Throws `certificate.expired` when the root has ended. */
    async forLifetime(lifetimeMs: number, signal: AbortSignal): Promise<Authority> {
      return await serial.run(
        '',
        async () => {
          throwIfAborted(signal);
          let stored = await read(signal);
          const now = clock.now();
          const root = readChain(stored.value.rootPem);
          if (root.notAfter - now < 1000) throw rootEnded(config.name, root.notAfter);
          const neededUntil = Math.min(now + lifetimeMs, root.notAfter);
          if (readChain(stored.value.issuingPem).notAfter < neededUntil) {
            await renewIssuing(stored, neededUntil, signal);
            stored = await store.get('authority', config.name, signal);
          }
          const { issuingKeyPem } = await store.secret('authority', config.name, signal);
          const { issuingPem, rootPem } = stored.value;
          return {
            issuing: { certPem: issuingPem, keyPem: issuingKeyPem },
            rootPem,
            notAfter: readChain(issuingPem).notAfter,
          };
        },
        signal,
      );
    },
  };
}

/**
 * Half of the root's life from now, so that a stolen issuing key is not good for all of it; longer where leaves need it,
 * with room for a quarter so that the next leaf does not need yet another one; never past the root.
 */
function issuingEnd(root: Validity, now: number, neededUntil: number): number {
  const life = root.notAfter - root.notBefore;
  const end = Math.max(now + life / 2, neededUntil + life / 4);
  return Math.min(root.notAfter, Math.ceil(end / 1000) * 1000);
}

function rootEnded(name: string, at: number): CertplaneError {
  return new CertplaneError(
    'certificate.expired',
    `The root of the private CA ${name} ended at ${timeText(at)}. ` +
      'Configure a CA issuer under a new name, distribute its root, and let the certificates use it.',
  );
}
