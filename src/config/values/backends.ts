/** Values that only backends have. */
import type { ActiveHealth, Balance } from '../../core/backend.ts';
import { headerName } from './headers.ts';
import { describeValue, type Parser } from './parsed.ts';
import { path } from './scalars.ts';

const hashForms =
  '{ hash: client-address }, { hash: path }, { hash: { header: x-user } } or { hash: { cookie: session } }';

export const balance: Parser<Balance> = (value) => {
  if (value === 'round-robin') return { value: { kind: value } };
  if (value === 'least-connections') return { value: { kind: value } };
  const hash = single(value, ['hash']);
  if (hash === undefined) {
    return {
      problem: `${describeValue(value)} is no way to choose an endpoint; write round-robin, least-connections, ${hashForms}.`,
    };
  }
  if (hash.value === 'client-address' || hash.value === 'path') return { value: { kind: 'hash', key: hash.value } };
  const named = single(hash.value, ['header', 'cookie']);
  const name = named?.key === 'header' ? headerName(named.value) : cookieName(named?.value);
  if (named === undefined)
    return { problem: `${describeValue(hash.value)} is nothing to choose by; write ${hashForms}.` };
  if ('problem' in name) return name;
  return { value: { kind: 'hash', key: named.key, name: name.value } };
};

const cookieName: Parser<string> = (value) =>
  typeof value === 'string' && /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}$/.test(value)
    ? { value }
    : { problem: `${describeValue(value)} is not the name of a cookie; write for example session.` };

export type CaSource =
  { readonly kind: 'file'; readonly path: string } | { readonly kind: 'issuer'; readonly name: string };

/** One or several: paths of PEM files, and private CAs of this configuration. */
export const caSources: Parser<readonly CaSource[]> = (value) => {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const form = 'write ./ca.pem, { issuer: local }, or a list of them';
  if (list.length === 0 || list.length > 16) return { problem: `A CA is given by 1 to 16 entries; ${form}.` };
  const sources: CaSource[] = [];
  for (const one of list) {
    const issuer = single(one, ['issuer']);
    if (issuer !== undefined && typeof issuer.value === 'string') sources.push({ kind: 'issuer', name: issuer.value });
    else if (typeof one === 'object') return { problem: `${describeValue(one)} is no CA; ${form}.` };
    else {
      const file = path(one);
      if ('problem' in file) return file;
      sources.push({ kind: 'file', path: file.value });
    }
  }
  return { value: sources };
};

/** `200-399`, or one status. */
export const statusRange: Parser<ActiveHealth['status']> = (value) => {
  const text = typeof value === 'number' ? String(value) : value;
  const match = typeof text === 'string' ? /^([1-5]\d\d)(?:\s*-\s*([1-5]\d\d))?$/.exec(text.trim()) : null;
  const [, from = '', to = from] = match ?? [];
  return match !== null && Number(from) <= Number(to)
    ? { value: [Number(from), Number(to)] }
    : { problem: `${describeValue(value)} is no range of statuses; write for example "200-399" or 204.` };
};

/** The only key and its value, if the value is a mapping with just one of `keys`. */
function single<const K extends string>(value: unknown, keys: readonly K[]): { key: K; value: unknown } | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const entries = Object.entries(value);
  const key = keys.find((one) => one === entries[0]?.[0]);
  return entries.length === 1 && key !== undefined ? { key, value: entries[0]?.[1] } : undefined;
}
