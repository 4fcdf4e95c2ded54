/** Host names, Kubernetes names and backends. */
import { isIP } from 'node:net';
import { normaliseName } from '../../core/names.ts';
import { describeValue, type Parsed, type Parser } from './parsed.ts';

/** A name in its canonical form; a wildcard only as the whole first label. */
export const hostName: Parser<string> = (value) => {
  if (typeof value !== 'string') {
    return { problem: `${describeValue(value)} is not a host name; write for example shop.example.com.` };
  }
  if (value.length > 1000) return { problem: 'A host name has at most 253 characters; this one is far longer.' };
  const name = normaliseName(value);
  if (name !== undefined) return { value: name };
  return { problem: `${describeValue(value)} is not a host name; ${nameAdvice(value)}` };
};

/** A name without a wildcard. */
export const exactHostName: Parser<string> = (value) => {
  const parsed = hostName(value);
  if ('problem' in parsed || !parsed.value.startsWith('*.')) return parsed;
  return {
    problem: `A wildcard cannot stand here; write one name, for example ${parsed.value.replace('*.', 'admin.')}.`,
  };
};

function nameAdvice(text: string): string {
  const bare = text
    .trim()
    .replace(/^[a-z][a-z0-9+.-]*:\/\//i, '')
    .replace(/^[^@/]*@/, '')
    .replace(/[/?#].*$/s, '')
    .replace(/:\d*$/, '');
  if (isIP(bare.replace(/^\[|\]$/g, '')) !== 0) return 'certificates for IP addresses are not made; write a host name.';
  if (/[\s,;]/.test(bare)) return 'write each name as an entry of its own, without spaces.';
  const cleaned = [bare, bare.replaceAll(/\.{2,}/g, '.').replace(/^\./, '')]
    .map((candidate) => normaliseName(candidate))
    .find((candidate) => candidate !== undefined);
  if (cleaned !== undefined) return `write ${quoteWildcard(cleaned)}.`;
  if (bare.includes('*')) return '* stands for exactly the first label; write "*.example.com".';
  if (bare === '') return 'write for example shop.example.com.';
  if (bare.length > 253) return 'it has at most 253 characters; write a shorter one.';
  if (bare.split('.').some((label) => label.length > 63))
    return 'each part between dots has at most 63 characters; write a shorter one.';
  return 'letters, digits, dashes and dots only, and no part starts or ends with a dash; write for example shop.example.com.';
}

function quoteWildcard(name: string): string {
  return name.startsWith('*') ? `"${name}"` : name;
}

/** A Kubernetes namespace (RFC 1123 label) or object name (RFC 1123 subdomain). */
export function kubernetesName(kind: 'label' | 'subdomain'): Parser<string> {
  const part = '[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?';
  const pattern = new RegExp(kind === 'label' ? `^${part}$` : `^${part}(?:\\.${part})*$`);
  return (value): Parsed<string> => {
    const text = typeof value === 'number' ? String(value) : value;
    if (typeof text === 'string' && text.length <= 253 && pattern.test(text)) return { value: text };
    const instead =
      typeof text === 'string'
        ? text
            .slice(0, 253)
            .toLowerCase()
            .replaceAll(/[^a-z0-9.-]+/g, '-')
            .replaceAll(/^[-.]+|[-.]+$/g, '')
        : '';
    const advice = pattern.test(instead) ? `write ${instead}` : 'write for example shop-tls';
    return {
      problem: `${describeValue(value)} is not a Kubernetes name (lower-case letters, digits and dashes); ${advice}.`,
    };
  };
}

/** An origin that requests are sent to, `http://host:port`. Credentials in it are never repeated. */
export const backend: Parser<string> = (value) => {
  if (typeof value === 'number') return { problem: `A backend is a URL; write http://127.0.0.1:${value}.` };
  if (typeof value !== 'string')
    return { problem: `A backend is a URL, not ${describeValue(value)}; write http://127.0.0.1:3000.` };
  if (value.length > 300) return { problem: 'A backend URL has at most 300 characters; write http://127.0.0.1:3000.' };
  const url = URL.parse(value.trim());
  if (url === null || !/^[a-z][a-z0-9+.-]*:\/\//i.test(value.trim())) {
    const guess = URL.parse(`http://${value.trim()}`);
    const instead =
      guess !== null && guess.username === '' && guess.hostname !== '' ? guess.origin : 'http://127.0.0.1:3000';
    return { problem: `A backend is a URL with http:// in front; write ${instead}.` };
  }
  if (url.username !== '' || url.password !== '') {
    return { problem: `A backend URL cannot carry credentials; write ${url.protocol}//${url.host}.` };
  }
  if (url.protocol !== 'http:') {
    return {
      problem: `Backends are reached over plain http; write http://${url.host} in place of ${describeValue(`${url.protocol}//`)}.`,
    };
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    return {
      problem: `A backend is an origin without a path, and the path of each request is kept; write ${url.origin}.`,
    };
  }
  if (url.port === '0')
    return { problem: 'Port 0 is no port to connect to; write the port that the backend listens on.' };
  return { value: url.origin };
};

/** A path prefix, by path element: `/api` is for `/api` and `/api/…`. */
export const pathPrefix: Parser<string> = (value) => {
  if (typeof value !== 'string' || value === '')
    return { problem: `${describeValue(value)} is not a path; write / or for example /api.` };
  if (value.length > 2048) return { problem: 'A path has at most 2048 characters; write a shorter one.' };
  if (!value.startsWith('/')) return { problem: `A path begins with a slash; write ${describeValue(`/${value}`)}.` };
  if (/[?#]/.test(value))
    return { problem: `A path has no query or fragment; write ${describeValue(value.replace(/[?#].*$/s, ''))}.` };
  if (!/^[\x21-\x7e]+$/.test(value))
    return { problem: `A path is written as it travels, percent-encoded; write ${encodePath(value)}.` };
  if (/\/\/|\/\.\.?(?:\/|$)|\*/.test(value)) {
    return {
      problem: `${describeValue(value)} is no plain prefix: leave out //, /./, /../ and *; write for example /api.`,
    };
  }
  return { value: value.length > 1 ? value.replace(/\/$/, '') : value };
};

function encodePath(text: string): string {
  return describeValue(encodeURI(text.toWellFormed()));
}
