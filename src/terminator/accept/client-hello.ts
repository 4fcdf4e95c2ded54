/** The ClientHello message (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2), read strictly and within its bounds, for what decides on a connection. */
import { readServerName } from './server-name.ts';

export interface ClientHello {
  /** Lower-case DNS name without trailing dot. Absent: none was sent, or what no certificate could carry (an IP address, say). */
  readonly serverName?: string | undefined;
  /** As offered, in order; latin1. */
  readonly alpn: readonly string[];
  /** Of supported_versions, GREASE included; without that extension the one highest version (0x0303 at most). */
  readonly versions: readonly number[];
  readonly signatureAlgorithms: readonly number[];
  /** First 16 bytes of a TLS 1.3 session's first identity, or of a TLS 1.2 session ticket. A view of the bytes read. */
  readonly sessionTicketKeyName?: Buffer | undefined;
}

const none: readonly never[] = [];
const http1Only: readonly string[] = ['http/1.1'];
const h2AndHttp1: readonly string[] = ['h2', 'http/1.1'];

/** Extension types that are read (the IANA registry's numbers). */
const extension = {
  serverName: 0,
  signatureAlgorithms: 13,
  alpn: 16,
  sessionTicket: 35,
  preSharedKey: 41,
  supportedVersions: 43,
} as const;
const isRead: readonly boolean[] = Array.from({ length: 44 }, (_, type) =>
  (Object.values(extension) as number[]).includes(type),
);

const keyNameLength = 16;

/** What has been found, or `bad` where a field contradicts its length or occurs twice. */
class Found {
  serverName: string | undefined;
  alpn: readonly string[] | undefined;
  versions: readonly number[] | undefined;
  signatureAlgorithms: readonly number[] | undefined;
  ticket: Buffer | undefined;
  identity: Buffer | undefined;
  bad = false;
  /** RFC 8446 §4.2: no extension twice. */
  readonly #seen: number[] = [];

  /** False: it has been there before. */
  first(type: number): boolean {
    if (this.#seen.includes(type)) return false;
    this.#seen.push(type);
    return true;
  }
}

/** The message's body, from `start` (after the handshake header) to `end`. Undefined: malformed. */
export function parseClientHello(bytes: Buffer, start: number, end: number): ClientHello | undefined {
  // legacy_version, random, session_id<0..32>
  let at = start + 35;
  if (at > end) return undefined;
  const legacyVersion = u16(bytes, start);
  const sessionIdLength = bytes[at - 1] as number;
  if (legacyVersion >> 8 !== 3 || sessionIdLength > 32) return undefined;
  at += sessionIdLength;
  // cipher_suites<2..2^16-2>
  if (at + 2 > end) return undefined;
  const suites = u16(bytes, at);
  at += 2 + suites;
  if (suites < 2 || suites % 2 === 1 || at + 1 > end) return undefined;
  // legacy_compression_methods<1..2^8-1>
  const compressions = bytes[at] as number;
  at += 1 + compressions;
  if (compressions < 1 || at > end) return undefined;

  const found = new Found();
  if (at < end) {
    if (at + 2 > end || at + 2 + u16(bytes, at) !== end) return undefined;
    readExtensions(bytes, at + 2, end, found);
    if (found.bad) return undefined;
  }
  return {
    serverName: found.serverName,
    alpn: found.alpn ?? none,
    versions: found.versions ?? [Math.min(legacyVersion, 0x0303)],
    signatureAlgorithms: found.signatureAlgorithms ?? none,
    sessionTicketKeyName: found.identity ?? found.ticket,
  };
}

function readExtensions(bytes: Buffer, start: number, end: number, found: Found): void {
  let at = start;
  while (at < end) {
    if (at + 4 > end) return refuse(found);
    const type = u16(bytes, at);
    const from = at + 4;
    at = from + u16(bytes, at + 2);
    if (at > end) return refuse(found);
    if (isRead[type] !== true) continue;
    if (!found.first(type)) return refuse(found);
    readExtension(type, bytes.subarray(from, at), found);
    // RFC 8446 §4.2.11: what is bound by it has to stand before it.
    if (found.bad || (type === extension.preSharedKey && at !== end)) return refuse(found);
  }
}

function readExtension(type: number, data: Buffer, found: Found): void {
  switch (type) {
    case extension.serverName:
      readServerNames(data, found);
      break;
    case extension.alpn:
      readAlpn(data, found);
      break;
    case extension.supportedVersions:
      found.versions = readNumbers(data, 1, found);
      break;
    case extension.signatureAlgorithms:
      found.signatureAlgorithms = readNumbers(data, 2, found);
      break;
    case extension.sessionTicket:
      if (data.length >= keyNameLength) found.ticket = data.subarray(0, keyNameLength);
      break;
    case extension.preSharedKey:
      readIdentity(data, found);
      break;
    default:
      break;
  }
}

/** RFC 6066 §3. One name of type host_name, like OpenSSL; the form of the name is not the message's. */
function readServerNames(data: Buffer, found: Found): void {
  if (data.length < 6 || u16(data, 0) !== data.length - 2) return refuse(found);
  if (data[2] !== 0 || u16(data, 3) !== data.length - 5) return refuse(found);
  found.serverName = readServerName(data, 5, data.length);
}

/** RFC 7301 §3.1. */
function readAlpn(data: Buffer, found: Found): void {
  if (data.length < 4 || u16(data, 0) !== data.length - 2) return refuse(found);
  const names: string[] = [];
  for (let at = 2; at < data.length;) {
    const from = at + 1;
    at = from + (data[at] as number);
    if (at === from || at > data.length) return refuse(found);
    names.push(data.toString('latin1', from, at));
  }
  // Nearly every client offers one of two lists: they share one array, so that later comparisons are cheap.
  if (names.length === 2 && names[0] === 'h2' && names[1] === 'http/1.1') found.alpn = h2AndHttp1;
  else found.alpn = names.length === 1 && names[0] === 'http/1.1' ? http1Only : names;
}

/** A vector of 16-bit numbers behind its length in `lengthBytes`; at least one. */
function readNumbers(data: Buffer, lengthBytes: 1 | 2, found: Found): readonly number[] {
  const numbers: number[] = [];
  const length = data.length - lengthBytes;
  if (length < 2 || length % 2 === 1 || length !== (lengthBytes === 1 ? data[0] : u16(data, 0))) refuse(found);
  else for (let at = lengthBytes; at < data.length; at += 2) numbers.push(u16(data, at));
  return numbers;
}

/** RFC 8446 §4.2.11: identities<7..2^16-1>, binders<33..2^16-1>. */
function readIdentity(data: Buffer, found: Found): void {
  const identities = data.length < 2 ? 0 : u16(data, 0);
  const binders = 2 + identities;
  if (identities < 7 || binders + 2 > data.length) return refuse(found);
  if (u16(data, binders) < 33 || binders + 2 + u16(data, binders) !== data.length) return refuse(found);
  const length = u16(data, 2);
  if (length < 1 || 4 + length + 4 > binders) return refuse(found);
  if (length >= keyNameLength) found.identity = data.subarray(4, 4 + keyNameLength);
}

function refuse(found: Found): void {
  found.bad = true;
}

/** Both bytes are known to be there. */
function u16(bytes: Buffer, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}
