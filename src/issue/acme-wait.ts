import { CertplaneError, type ErrorCode } from '../core/errors.ts';
import { problemKind } from '../acme/problems.ts';
import type { AcmeData, AcmeStep } from './acme-state.ts';

const second = 1000;
const minute = 60 * second;

/** How long the CA may take over validation, and over issuing, before the order is given up. */
export const validationLimitMs = 10 * minute;
export const processingLimitMs = 15 * minute;

const mostTroubles = 8;
const mostOrderTroubles = 2;
/** A CA that wants an order under way to wait longer is as good as refusing it. */
const longestTroubleWaitMs = 30 * minute;

/** Waits 1, 2, 4, 8, 10, 10 … seconds, or what the CA asks for; past the order's own end there is nothing to wait for. */
export function pollAt(now: number, { polls = 0, order }: AcmeData, retryAt: number | undefined): number {
  const wanted = retryAt ?? now + Math.min(2 ** polls, 10) * second;
  return Math.max(now + second, Math.min(wanted, order?.expiresAt ?? Infinity));
}

/**
 * When to try the same step again after an error that says nothing about the order itself; undefined when the order is to
 * be given up. Waits 5 s, 10 s, 20 s … up to 5 min, eight times; twice for
 * newOrder, after which another issuer should have its chance.
 */
export function retryStepAt(error: CertplaneError, step: AcmeStep, data: AcmeData, now: number): number | undefined {
  if (!survives(error, step, data)) return undefined;
  const troubles = data.troubles ?? 0;
  const most = step === 'order' ? mostOrderTroubles : mostTroubles;
  const at = Math.max(now + Math.min(5 * second * 2 ** troubles, 5 * minute), error.retryAt ?? 0);
  const expired = data.order?.expiresAt !== undefined && data.order.expiresAt <= at;
  return troubles >= most || expired || at - now > longestTroubleWaitMs ? undefined : at;
}

const passing = new Set<ErrorCode>([
  'issuer.unreachable',
  'issuer.timeout',
  'issuer.response-invalid',
  'acme.server-error',
  'acme.rate-limited',
  'challenge.terminator-absent',
]);

/** Before there is an order nothing is lost by failing, unless the CA may have made one and the answer is missing. */
function survives(error: CertplaneError, step: AcmeStep, data: AcmeData): boolean {
  if (problemKind(error.problem) === 'badNonce') return true;
  if (step === 'order') return error.code === 'issuer.timeout';
  return data.order !== undefined && passing.has(error.code);
}
