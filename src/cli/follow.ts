/** Following a renewal to its end. */
import type { CertificateDetail } from '../api/contract/certificates.ts';
import type { ChangeEvent } from '../api/contract/overview.ts';
import { CertplaneError, errorCodes, type ErrorCode } from '../core/errors.ts';
import { certificateDetail } from './certificates.ts';
import type { ApiClient } from './client.ts';

/** Looked at again at least this often, in case the event stream is cut. */
const pollMs = 2_000;

export interface FollowOptions {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly onProgress: (text: string) => void;
}

/**
 * Resolves with the certificate once a version after `before` is in use and its delivery has come to an end. Throws the
 * failure of the attempt, `certificate.removed`, and `api.unavailable` when it takes longer than `timeoutMs`; the
 * renewal goes on by itself then.
 */
export async function followRenewal(
  api: ApiClient,
  before: CertificateDetail,
  { signal, timeoutMs, onProgress }: FollowOptions,
): Promise<CertificateDetail> {
  const limit = AbortSignal.timeout(timeoutMs);
  const done = new AbortController();
  const both = AbortSignal.any([signal, limit, done.signal]);
  const changes = watchChanges(api, before.id, both);
  try {
    for (;;) {
      // Asked for before looking, so that a change in between is not missed.
      const changed = changes.next();
      const now = await certificateDetail(api, before.id, { signal: AbortSignal.any([signal, limit]) });
      if (isDone(now, before)) return now;
      onProgress(sentence(now));
      await changed;
      if (limit.aborted) throw timedOut(before.id);
      signal.throwIfAborted();
    }
  } catch (error) {
    throw limit.aborted && !signal.aborted ? timedOut(before.id) : error;
  } finally {
    done.abort();
    await changes.ended;
  }
}

function timedOut(id: string): CertplaneError {
  return new CertplaneError(
    'api.unavailable',
    `The renewal of ${id} is still under way and goes on by itself; look again with "certplane show ${id}".`,
  );
}

/** Throws the failure of the attempt that was asked for. */
function isDone(now: CertificateDetail, before: CertificateDetail): boolean {
  if (now.managed.state === 'removed') {
    throw new CertplaneError(
      'certificate.removed',
      `${now.id} is no longer in the configuration: ${now.managed.reason.message}`,
    );
  }
  const renewed = now.version !== null && now.version !== before.version;
  if (renewed) return now.delivery.state !== 'lagging';
  const { lastFailure } = now;
  const failedSince = lastFailure !== null && lastFailure.at !== before.lastFailure?.at;
  if (!failedSince || now.progress !== null) return false;
  const detail = lastFailure.problem?.detail;
  const words =
    detail === null || detail === undefined || lastFailure.message.includes(detail) ? '' : ` The CA says: ${detail}`;
  const code = lastFailure.code in errorCodes ? (lastFailure.code as ErrorCode) : 'internal.unexpected';
  const retryAt = now.nextActionAt === null ? {} : { retryAt: Date.parse(now.nextActionAt) };
  throw new CertplaneError(code, `${now.id} was not renewed: ${lastFailure.message}${words}`, retryAt);
}

function sentence({ id, progress, phase, delivery, version }: CertificateDetail): string {
  if (progress !== null) return `${id}: ${progress.step} at ${progress.issuer}. ${progress.reason.message}`;
  if (delivery.state === 'lagging') {
    const { code, message } = delivery.reason;
    const issued = `${id}: version ${version ?? ''} is issued`;
    return code === 'delivery-pending' ? `${issued} and on its way to its outputs.` : `${issued}. ${message}`;
  }
  return `${id}: ${phase.state}. ${phase.reason.message}`;
}

interface Changes {
  /** Resolves with the next change of the certificate, after `pollMs`, or when the signal ends. */
  next(): Promise<void>;
  /** Resolves once the signal has ended and nothing is open any more. */
  readonly ended: Promise<void>;
}

function watchChanges(api: ApiClient, id: string, signal: AbortSignal): Changes {
  let wake = Promise.withResolvers<void>();
  const notify = (): void => {
    wake.resolve();
    wake = Promise.withResolvers();
  };
  async function listen(): Promise<void> {
    try {
      for await (const { event, data } of api.events('/events', signal)) {
        if (event === 'snapshot' || (event === 'change' && names(data, id))) notify();
      }
    } catch {
      // Without the stream it is looked at every two seconds, and those requests say what is wrong.
    }
  }
  return {
    async next() {
      const { promise: later, resolve } = Promise.withResolvers<void>();
      const onAbort = (): void => resolve();
      const timer = setTimeout(resolve, pollMs);
      signal.addEventListener('abort', onAbort);
      if (signal.aborted) resolve();
      await Promise.race([wake.promise, later]);
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    },
    ended: listen(),
  };
}

function names(data: string, id: string): boolean {
  try {
    return (JSON.parse(data) as ChangeEvent).certificates.includes(id);
  } catch {
    return true; // unreadable: looking once more does no harm
  }
}
