const imfDate = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
const rfc850Date = /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/;
const asctimeDate = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/;

/** Nothing is put off for longer: a header with a slip in it must not stop renewals for years. */
export const longestRetryAfterMs = 30 * 86_400_000;

/**
 * Retry-After (RFC 9110 §10.2.3), seconds or an HTTP date in any of its three forms, as milliseconds since the epoch:
 * never before `now`, never more than 30 days after it. Undefined where there is none or it makes no sense.
 */
export function parseRetryAfter(value: string | undefined, now: number): number | undefined {
  const text = value?.trim() ?? '';
  let at: number;
  if (/^\d{1,15}$/.test(text)) at = now + Number(text) * 1000;
  else if (imfDate.test(text) || rfc850Date.test(text)) at = Date.parse(text);
  else if (asctimeDate.test(text)) at = Date.parse(`${text} GMT`);
  else return undefined;
  return Number.isNaN(at) ? undefined : Math.min(Math.max(at, now), now + longestRetryAfterMs);
}
