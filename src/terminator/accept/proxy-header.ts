/** The PROXY protocol header of a trusted proxy (haproxy.org, proxy-protocol.txt, versions 1 and 2), read strictly. */
import { isIPv4, isIPv6 } from 'node:net';
import { plainAddress } from './networks.ts';

/** Both ends of the client's own connection. */
export interface ProxiedEnds {
  readonly address: string;
  readonly port: number;
  readonly localAddress: string;
  readonly localPort: number;
}

export interface ProxyHeader {
  /** Bytes it takes up; what follows is the client's. */
  readonly length: number;
  /** Absent: the proxy speaks for itself (LOCAL), or of a client without an IP address (UNKNOWN, unix sockets). */
  readonly ends: ProxiedEnds | undefined;
}

export type ProxyHeaderResult = ProxyHeader | 'more' | 'malformed';

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const startOfV1 = Buffer.from('PROXY ', 'latin1');
const longestV1 = 107;
const fixedV2 = 16;
/** Addresses and whatever the proxy tells besides (a client certificate, say), which is not read. */
const longestV2 = fixedV2 + 16_384;

/** `bytes`: everything that has come so far. Never needs more than the header has. */
export function readProxyHeader(bytes: Buffer): ProxyHeaderResult {
  if (bytes.length === 0) return 'more';
  if (begins(bytes, signature)) return bytes.length < fixedV2 ? 'more' : readV2(bytes);
  return begins(bytes, startOfV1) ? readV1(bytes) : 'malformed';
}

/** Whether the bytes are the beginning, or begin with it. */
function begins(bytes: Buffer, beginning: Buffer): boolean {
  const length = Math.min(bytes.length, beginning.length);
  return bytes.compare(beginning, 0, length, 0, length) === 0;
}

/** `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n` */
function readV1(bytes: Buffer): ProxyHeaderResult {
  const end = bytes.subarray(0, longestV1).indexOf('\r\n');
  if (end < 0) return bytes.length < longestV1 ? 'more' : 'malformed';
  const line = bytes.toString('latin1', startOfV1.length, end);
  const length = end + 2;
  if (line === 'UNKNOWN' || line.startsWith('UNKNOWN ')) return { length, ends: undefined };
  const [family, address = '', localAddress = '', port = '', localPort = '', ...rest] = line.split(' ');
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6WithoutZone : () => false;
  if (rest.length > 0 || !isAddress(address) || !isAddress(localAddress)) return 'malformed';
  if (!isPort(port) || !isPort(localPort)) return 'malformed';
  const canonical = family === 'TCP4' ? String : canonicalV1;
  return { length, ends: endsOf([canonical(address), Number(port)], [canonical(localAddress), Number(localPort)]) };
}

function isIPv6WithoutZone(text: string): boolean {
  return isIPv6(text) && !text.includes('%');
}

function canonicalV1(address: string): string {
  const plain = plainAddress(address);
  return isIPv4(plain) ? plain : canonicalIPv6(plain);
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9][0-9]{0,4})$/.test(text) && Number(text) <= 0xffff;
}

/** The length says where the header ends; what stands behind the addresses (TLVs, a checksum among them) is skipped. */
function readV2(bytes: Buffer): ProxyHeaderResult {
  const command = bytes[12] as number;
  const kind = bytes[13] as number;
  const length = fixedV2 + bytes.readUInt16BE(14);
  // Version 2; LOCAL or PROXY; families and protocols up to the last that is defined.
  if (command >> 4 !== 2 || (command & 0xf) > 1 || kind >> 4 > 3 || (kind & 0xf) > 2) return 'malformed';
  if (length > longestV2) return 'malformed';
  const isLocal = (command & 0xf) === 0;
  const addressBytes = kind === tcp4 ? 4 : kind === tcp6 ? 16 : 0;
  if (!isLocal && length < fixedV2 + leastOf(kind >> 4)) return 'malformed';
  if (bytes.length < length) return 'more';
  if (isLocal || addressBytes === 0) return { length, ends: undefined };
  const at = fixedV2 + 2 * addressBytes;
  const source = textOf(bytes.subarray(fixedV2, fixedV2 + addressBytes));
  const destination = textOf(bytes.subarray(fixedV2 + addressBytes, at));
  return { length, ends: endsOf([source, bytes.readUInt16BE(at)], [destination, bytes.readUInt16BE(at + 2)]) };
}

const tcp4 = 0x11;
const tcp6 = 0x21;

/** Bytes of the addresses of a family: none, IPv4, IPv6, unix. */
function leastOf(family: number): number {
  return [0, 12, 36, 216][family] as number;
}

function endsOf(
  [address, port]: readonly [string, number],
  [localAddress, localPort]: readonly [string, number],
): ProxiedEnds {
  return { address, port, localAddress, localPort };
}

/** The address in its canonical form (RFC 5952). */
function textOf(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  // Mapped ones keep their dotted form, which the URL parser would write in hex.
  if (bytes.readUIntBE(0, 6) === 0 && bytes.readUIntBE(6, 6) === 0xffff) return bytes.subarray(12).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return canonicalIPv6(groups.join(':'));
}

function canonicalIPv6(text: string): string {
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}
