/** What may be logged: secrets taken out of fields and strings, errors turned into data (never §5.9). */
import { CertplaneError } from '../core/errors.ts';
import { removed, scrubText } from '../core/scrub-text.ts';

const deepest = 6;
const mostItems = 100;

const secretWords = new Set([
  'authorization',
  'cookie',
  'credential',
  'credentials',
  'key',
  'keys',
  'passphrase',
  'password',
  'secret',
  'secrets',
  'token',
  'tokens',
]);

/** `key`, `accountKey`, `keyPem`, `api_token`; not `keyAlgorithm`, `tokenId` or `secretName`, which only talk about one. */
export function isSecretName(name: string): boolean {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .split(/[\s_.-]+/)
    .map((word) => word.toLowerCase());
  const last = words.at(-1) ?? '';
  return secretWords.has(last) || (last === 'pem' && words.includes('key'));
}

/** A copy that is safe to log: plain, finite, without secrets. */
export function scrub(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return scrubText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'symbol' || typeof value === 'function') return undefined;
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Date) return Number.isNaN(value.valueOf()) ? 'invalid date' : value.toISOString();
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (depth >= deepest) return '[too deep]';
  if (value instanceof Error) return scrubError(value, depth);
  if (Array.isArray(value)) {
    const items = value.slice(0, mostItems).map((item) => scrub(item, depth + 1));
    return value.length > mostItems ? [...items, `… (${value.length} items)`] : items;
  }
  if (value instanceof Map) return scrubFields(Object.fromEntries(value), depth);
  if (value instanceof Set) return scrub([...value], depth);
  return scrubFields(value as Record<string, unknown>, depth);
}

function scrubFields(fields: Record<string, unknown>, depth: number): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      isSecretName(name) && value !== undefined && value !== null ? removed : scrub(value, depth + 1),
    ]),
  );
}

function scrubError(error: Error, depth: number): Record<string, unknown> {
  const planned = error instanceof CertplaneError && error.code !== 'internal.unexpected';
  const { code } = error as NodeJS.ErrnoException;
  return {
    name: error.name,
    ...(code === undefined ? {} : { code }),
    message: scrubText(error.message),
    ...(error instanceof CertplaneError && error.problem !== undefined
      ? { problem: scrub(error.problem, depth + 1) }
      : {}),
    ...(error instanceof CertplaneError && error.retryAt !== undefined ? { retryAt: error.retryAt } : {}),
    // A planned error says where it comes from by its code; a surprise needs its stack.
    ...(planned || error.stack === undefined ? {} : { stack: scrubText(error.stack) }),
    ...(error.cause === undefined ? {} : { cause: scrub(error.cause, depth + 1) }),
    ...(error instanceof AggregateError ? { errors: scrub(error.errors, depth + 1) } : {}),
  };
}
