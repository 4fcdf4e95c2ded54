/** TLS versions, cipher suites and groups. */
import { getCiphers } from 'node:tls';
import type { TlsVersion } from '../../core/tls-policy.ts';
import { nearest } from './nearest.ts';
import { describeValue, type Parser } from './parsed.ts';

/** `1.2`, `1.3`; a number where YAML sees one. */
export const tlsVersion: Parser<TlsVersion> = (value) => {
  const text = typeof value === 'number' ? String(value) : typeof value === 'string' ? value.trim() : '';
  const version = /^(?:tls\s*v?)?(1(?:\.\d)?|ssl.*)$/i.exec(text)?.[1];
  if (version === '1.2') return { value: 'TLSv1.2' };
  if (version === '1.3') return { value: 'TLSv1.3' };
  return {
    problem: /^1(?:\.[01])?$/.test(version ?? '')
      ? `TLS ${version} is no longer spoken (RFC 8996); write "1.2" or "1.3".`
      : `${describeValue(value)} is not a TLS version; write "1.2" or "1.3".`,
  };
};

/** Of TLS 1.2, with certificates alone: no pre-shared keys, no passwords, no Diffie-Hellman parameters to bring. */
const suites = getCiphers()
  .filter((name) => /^(?:ecdhe-(?:ecdsa|rsa)|aes(?:128|256))-/.test(name))
  .map((name) => name.toUpperCase());

/** An OpenSSL name of a TLS 1.2 cipher suite. */
export const cipherSuite: Parser<string> = (value) => {
  const name = typeof value === 'string' ? value.trim().toUpperCase() : '';
  if (suites.includes(name)) return { value: name };
  if (/^TLS_(?:AES|CHACHA20)_/.test(name)) {
    return { problem: `${name} belongs to TLS 1.3, whose cipher suites are not chosen here; leave it out.` };
  }
  const instead = nearest(name, suites) ?? `one of ${suites.filter((one) => /GCM|CHACHA/.test(one)).join(', ')}`;
  return {
    problem: `${describeValue(value)} is not a cipher suite that can be used with certificates; write ${instead}.`,
  };
};

/** Without forward secrecy, or not authenticated encryption: HTTP/2 refuses them (RFC 9113 appendix A). */
export function isWeakCipher(name: string): boolean {
  return !/^ECDHE-.*(?:GCM|POLY1305)/.test(name);
}

const groups = [
  'X25519MLKEM768',
  'SecP256r1MLKEM768',
  'SecP384r1MLKEM1024',
  'X25519',
  'X448',
  'prime256v1',
  'secp384r1',
  'secp521r1',
] as const;

const otherNames: Readonly<Record<string, string>> = {
  'P-256': 'prime256v1',
  secp256r1: 'prime256v1',
  'P-384': 'secp384r1',
  'P-521': 'secp521r1',
};

/** A group for the key exchange, as OpenSSL calls it. */
export const keyExchangeGroup: Parser<string> = (value) => {
  const written = typeof value === 'string' ? (otherNames[value] ?? value) : '';
  const found = groups.find((one) => one.toLowerCase() === written.toLowerCase());
  if (found !== undefined) return { value: found };
  const instead = nearest(written, groups) ?? groups.join(', ');
  return { problem: `${describeValue(value)} is not a group for the key exchange; write ${instead}.` };
};
