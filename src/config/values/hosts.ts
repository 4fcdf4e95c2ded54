/** Host names and Kubernetes names. */
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

/** What stands in a Host header: a name or an address, with a port where it needs one. */
export const authority: Parser<string> = (value) => {
  const [, bare = '', port] =
    (typeof value === 'string' && /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(value.trim())) || [];
  const address = bare.replace(/^\[|\]$/g, '');
  const host = isIP(address) === 0 ? normaliseName(bare) : bare.toLowerCase();
  const good =
    host !== undefined && !host.startsWith('*') && (port === undefined || (Number(port) > 0 && Number(port) <= 65_535));
  return good
    ? { value: `${host}${port === undefined ? '' : `:${Number(port)}`}` }
    : { problem: `${describeValue(value)} is not a host; write for example app.internal or app.internal:8080.` };
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
