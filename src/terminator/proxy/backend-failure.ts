import { STATUS_CODES } from 'node:http';
import type { BackendFailure } from '../upstream/backend.ts';
import type { Transaction } from './transaction.ts';

type Status = 502 | 503 | 504;

/** Where there is no answer of the backend: whose fault it is, and nothing of the inside. */
const statuses: Readonly<Record<BackendFailure, Status>> = {
  'backend-refused': 502,
  'backend-unresolvable': 502,
  'backend-forbidden-address': 502,
  'backend-tls': 502,
  'backend-reset': 502,
  'backend-closed': 502,
  'backend-bad-answer': 502,
  'backend-unavailable': 503,
  'backend-overloaded': 503,
  'backend-connect-timeout': 504,
  'backend-timeout': 504,
};

/** Seconds: until endpoints have been looked at again, and until some requests have ended. */
const retryAfter: Partial<Record<BackendFailure, string>> = { 'backend-unavailable': '5', 'backend-overloaded': '1' };

/** `closing`: the client's connection ends with this answer. */
export function answerFailure(transaction: Transaction, failure: BackendFailure, closing: boolean): void {
  const after = retryAfter[failure];
  const headers = after === undefined ? [] : ['retry-after', after];
  const status = statuses[failure];
  transaction.answer(status, `${status} ${STATUS_CODES[status]}: ${failure}\n`, { headers, closing });
}
