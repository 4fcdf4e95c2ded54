/** Paths of requests as routes name them. */
import type { PathMatch } from '../../core/route.ts';
import { regexProblem } from './linear-regex.ts';
import { describeValue, type Parsed, type Parser } from './parsed.ts';

/** A path as it stands in a request line, without query. */
export const requestPath: Parser<string> = (value) => {
  if (typeof value !== 'string' || value === '')
    return { problem: `${describeValue(value)} is not a path; write / or for example /api.` };
  if (value.length > 2048) return { problem: 'A path has at most 2048 characters; write a shorter one.' };
  if (!value.startsWith('/')) return { problem: `A path begins with a slash; write ${describeValue(`/${value}`)}.` };
  if (/[?#]/.test(value))
    return { problem: `A path has no query or fragment; write ${describeValue(value.replace(/[?#].*$/s, ''))}.` };
  if (!/^[\x21-\x7e]+$/.test(value))
    return { problem: `A path is written as it travels, percent-encoded; write ${encodePath(value)}.` };
  if (/%(?![0-9A-Fa-f]{2})|%00/.test(value))
    return { problem: `A percent sign begins an encoded byte; write ${encodePath(value.replace(/%(?:00)?/g, '%'))}.` };
  const normal = value.replace(/%../g, normalOctet);
  if (/\/\/|(?:[/\\]|%2F|%5C)\.\.?(?:[/\\;]|%2F|%5C|%3B|$)|\*/.test(normal)) {
    return {
      problem: `${describeValue(value)} is no plain path: leave out //, /./, /../ and *; write for example /api, or { regex: … }.`,
    };
  }
  return { value: normal };
};

/** As requests are read before they are matched (RFC 3986 §6.2.2): unreserved characters decoded, digits in upper case. */
function normalOctet(octet: string): string {
  const character = String.fromCharCode(Number.parseInt(octet.slice(1), 16));
  return /[A-Za-z0-9\-._~]/.test(character) ? character : octet.toUpperCase();
}

/** By path element: `/api` is for `/api` and `/api/…`. */
export const pathPrefix: Parser<string> = (value) => {
  const parsed = requestPath(value);
  if ('problem' in parsed) return parsed;
  return { value: parsed.value.length > 1 ? parsed.value.replace(/\/$/, '') : parsed.value };
};

const kinds = ['prefix', 'exact', 'regex'] as const;
const forms = 'write /api, { exact: /api }, { prefix: /api } or { regex: "/v[0-9]+/" }';

/** `/prefix`, or one of `prefix`, `exact` and `regex`. */
export const pathMatch: Parser<PathMatch> = (value) => {
  if (typeof value !== 'object' || value === null) return as('prefix', pathPrefix(value));
  const entries = Object.entries(value);
  const [[key, written] = []] = entries;
  const kind = kinds.find((one) => one === key);
  if (Array.isArray(value) || entries.length !== 1 || kind === undefined) {
    return { problem: `A path is a prefix, or one of prefix, exact and regex; ${forms}.` };
  }
  if (kind === 'prefix') return as(kind, pathPrefix(written));
  if (kind === 'exact') return as(kind, requestPath(written));
  if (typeof written !== 'string')
    return { problem: `A regular expression is text, not ${describeValue(written)}; ${forms}.` };
  const problem = regexProblem(written);
  return problem === undefined ? { value: { kind, value: written } } : { problem };
};

function as(kind: PathMatch['kind'], parsed: Parsed<string>): Parsed<PathMatch> {
  return 'problem' in parsed ? parsed : { value: { kind, value: parsed.value } };
}

function encodePath(text: string): string {
  return describeValue(encodeURI(text.toWellFormed()));
}
