/** Header names, values and conditions, and request methods. */
import type { HeaderMatch } from '../../core/route.ts';
import { describeValue, type Parsed, type Parser } from './parsed.ts';

/** Set by the connection itself; a fixed value would break the framing. */
const hopByHop = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const mostHeaders = 100;

/** Lower-case. */
const fieldName: Parser<string> = (value) => {
  const lower = typeof value === 'string' ? value.toLowerCase() : '';
  return /^[a-z0-9!#$%&'*+.^_`|~-]{1,200}$/.test(lower)
    ? { value: lower }
    : { problem: `${describeValue(value)} is not a header name; write for example x-team.` };
};

/** One that may be set to a fixed value, or removed. */
export const headerName: Parser<string> = (value) => {
  const name = fieldName(value);
  if ('problem' in name || !hopByHop.has(name.value)) return name;
  return { problem: `The header ${name.value} belongs to the connection and is set by itself; leave it out.` };
};

/** As `headerName`, for requests to a backend. */
export const requestHeaderName: Parser<string> = (value) => {
  const name = headerName(value);
  return 'value' in name && name.value === 'host'
    ? { problem: 'The Host header for a backend is an option of its own; write hostHeader: app.internal.' }
    : name;
};

function fieldValue(name: string, value: unknown, form: string): Parsed<string> {
  const line = typeof value === 'number' ? String(value) : value;
  if (typeof line === 'string' && /^[\t\x20-\x7e]{0,8192}$/.test(line)) return { value: line };
  return { problem: `The value of ${name} is not one line of plain text; ${form}.` };
}

/** Names to values, each lower-case name once. */
export function headerValues(name: Parser<string>, example: string): Parser<Readonly<Record<string, string>>> {
  const form = `write ${example}`;
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return { problem: `Headers are a mapping of names to values, not ${describeValue(value)}; ${form}.` };
    }
    const entries = Object.entries(value);
    if (entries.length > mostHeaders) return { problem: `More than ${mostHeaders} headers are listed; write fewer.` };
    const result: Record<string, string> = {};
    for (const [written, content] of entries) {
      const key = name(written);
      if ('problem' in key) return key;
      const line = fieldValue(key.value, content, form);
      if ('problem' in line) return line;
      if (Object.hasOwn(result, key.value))
        return { problem: `The header ${key.value} is here twice; keep one of them.` };
      result[key.value] = line.value;
    }
    return { value: result };
  };
}

/** Conditions: `true` asks for the header, text for exactly that value. */
export const headerMatches: Parser<readonly HeaderMatch[]> = (value) => {
  const form = 'write { x-beta: "1" }, or { x-beta: true } for any value';
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { problem: `Headers are a mapping of names to values, not ${describeValue(value)}; ${form}.` };
  }
  const entries = Object.entries(value);
  if (entries.length === 0 || entries.length > 16)
    return { problem: `A route asks for 1 to 16 headers, and here are ${entries.length}; ${form}.` };
  const result = new Map<string, HeaderMatch>();
  for (const [written, content] of entries) {
    const name = fieldName(written);
    if ('problem' in name) return name;
    const key = name.value;
    if (key === 'host') return { problem: 'The Host header is what hosts is for; leave it out here.' };
    if (result.has(key)) return { problem: `The header ${key} is here twice; keep one of them.` };
    const line = content === true ? undefined : fieldValue(key, content, form);
    if (line !== undefined && 'problem' in line) return line;
    result.set(key, { name: key, ...(line === undefined ? {} : { value: line.value.trim() }) });
  }
  return { value: [...result.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)) };
};

/** A request method; they are case-sensitive (RFC 9110 §9.1). */
export const method: Parser<string> = (value) => {
  if (typeof value !== 'string' || !/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}$/.test(value))
    return { problem: `${describeValue(value)} is not a request method; write for example GET.` };
  if (/^[a-z]+$/.test(value)) return { problem: `Methods are upper-case; write ${value.toUpperCase()}.` };
  if (value === 'CONNECT') return { problem: 'CONNECT opens tunnels and is never routed; leave it out.' };
  return { value };
};
