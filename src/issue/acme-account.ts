import { createHash } from 'node:crypto';
import type { AcmeTransport } from '../acme/transport.ts';
import { AcmeSession } from '../acme/session.ts';
import type { AcmeIssuerConfig } from '../config/model.ts';
import type { CertificateId } from '../core/certificate.ts';
import { CertplaneError, hasCode, toCertplaneError } from '../core/errors.ts';
import type { CertificateStore, Stored } from '../core/ports/certificate-store.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { AccountRecord } from '../core/records.ts';
import { generatePrivateKey } from '../pki/keys.ts';
import { Serial } from '../core/serial.ts';
import { throwIfAborted } from './interrupted.ts';

/** An order that nobody goes on with has expired by then, at any CA. */
const unansweredMs = 30 * 86_400_000;

export interface AccountDeps {
  readonly config: AcmeIssuerConfig;
  readonly store: CertificateStore;
  readonly transport: AcmeTransport;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The account of one issuer at one CA. The key is in the store before the CA sees it, so that whoever dies in between,
 * or registers at the same time, comes back to the same account (RFC 8555 §7.3: one key, one account).
 */
export function createAccounts({ config, store, transport, clock, log }: AccountDeps) {
  const key = `${config.name}/${createHash('sha256').update(config.directory).digest('hex').slice(0, 16)}`;
  const serial = new Serial();
  let session: AcmeSession | undefined;

  async function record(signal: AbortSignal): Promise<Stored<'account'>> {
    const found = await store.find('account', key, signal);
    if (found !== undefined) return found;
    const keyPem = await generatePrivateKey({ algorithm: 'ecdsa', size: 256 });
    const value = { issuerName: config.name, directory: config.directory, createdAt: clock.now() };
    try {
      await store.put('account', { key, value, secret: { keyPem }, expect: 'absent' }, signal);
    } catch (error) {
      if (!hasCode(error, 'store.conflict')) throw error; // made meanwhile by another process: theirs counts
    }
    return await store.get('account', key, signal);
  }

  async function update(stored: Stored<'account'>, change: Partial<AccountRecord>, signal: AbortSignal): Promise<void> {
    await store.put(
      'account',
      { key, value: { ...stored.value, ...change }, expect: { revision: stored.revision } },
      signal,
    );
  }

  async function open(signal: AbortSignal): Promise<AcmeSession> {
    throwIfAborted(signal);
    if (session !== undefined) return session;
    const stored = await record(signal);
    const { keyPem } = await store.secret('account', key, signal);
    const { directory, externalAccount } = config;
    const options = { directory, keyPem, accountUrl: stored.value.url, externalAccount };
    const opened = new AcmeSession(transport, options);
    if (stored.value.url === undefined) {
      const { url, termsOfService } = await opened.register(config.email, signal);
      await update(stored, { url, email: config.email, termsAgreed: termsOfService }, signal);
      log.info('Registered an ACME account, which accepts the terms of the CA.', {
        issuer: config.name,
        account: url,
        terms: termsOfService,
      });
    } else if (stored.value.email !== config.email) {
      await changeContact(opened, stored, signal);
    }
    session = opened;
    return opened;
  }

  /** A contact the CA does not take must not stop renewals. */
  async function changeContact(opened: AcmeSession, stored: Stored<'account'>, signal: AbortSignal): Promise<void> {
    try {
      await opened.updateContact(config.email, signal);
      await update(stored, { email: config.email }, signal);
    } catch (error) {
      throwIfAborted(signal);
      const { code, message } = toCertplaneError(error);
      log.warn('The e-mail address of the ACME account could not be changed.', { issuer: config.name, code, message });
    }
  }

  return {
    /** Registers where needed; concurrent callers share one registration. */
    session: async (signal: AbortSignal): Promise<AcmeSession> =>
      await serial.run('', async () => await open(signal), signal),

    /** The CA does not know the account any more: the next `session` registers the same key again. */
    async forget(url: string, signal: AbortSignal): Promise<void> {
      await serial.run(
        '',
        async () => {
          session = undefined;
          const stored = await store.find('account', key, signal);
          if (stored?.value.url === url) await update(stored, { url: undefined, unanswered: undefined }, signal);
        },
        signal,
      );
    },

    /** Whether the CA may have an order of this certificate that it was asked for and gave no answer to. */
    isUnanswered: async (id: CertificateId, signal: AbortSignal): Promise<boolean> =>
      Object.hasOwn((await store.find('account', key, signal))?.value.unanswered ?? {}, id),

    /** Remembers that, or that it is known now what became of it. */
    async noteUnanswered(id: CertificateId, isUnanswered: boolean, signal: AbortSignal): Promise<void> {
      const work = async (): Promise<void> => {
        const stored = await store.find('account', key, signal);
        const { [id]: known, ...others } = stored?.value.unanswered ?? {};
        if (stored === undefined || (known === undefined && !isUnanswered)) return;
        const now = clock.now();
        const kept = Object.entries(others).filter(([, at]) => now - at < unansweredMs);
        const unanswered = Object.fromEntries(isUnanswered ? [...kept, [id, now] as const] : kept);
        await update(stored, { unanswered }, signal);
      };
      await serial.run('', work, signal);
    },

    find: async (signal: AbortSignal): Promise<AccountRecord | undefined> =>
      (await store.find('account', key, signal))?.value,
  };
}

export type Accounts = ReturnType<typeof createAccounts>;

/** Refuses to go on with an order that another account made: its keys do not fit any more. */
export function requireAccount(session: AcmeSession, url: string | undefined): void {
  if (url === undefined || url === session.accountUrl) return;
  throw new CertplaneError('acme.order-invalid', 'The order was made by another ACME account, so a new one is needed.');
}
