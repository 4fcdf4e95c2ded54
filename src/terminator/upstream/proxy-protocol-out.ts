/** The PROXY protocol header that tells a backend who the client is (haproxy.org, proxy-protocol.txt, versions 1 and 2). */
import { isIPv4, isIPv6 } from 'node:net';
import type { CallerConnection } from './backend.ts';

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const local = 0x20;
const proxied = 0x21;
const tcp4 = 0x11;
const tcp6 = 0x21;

/** `caller` absent: the connection is our own (a health check), which version 2 calls LOCAL and version 1 UNKNOWN. */
export function proxyHeader(version: 'v1' | 'v2', caller: CallerConnection | undefined): Buffer {
  const addresses = caller === undefined ? undefined : addressPair(caller);
  if (version === 'v1') {
    if (addresses === undefined || caller === undefined) return Buffer.from('PROXY UNKNOWN\r\n', 'latin1');
    const { kind, source, destination } = addresses;
    return Buffer.from(
      `PROXY ${kind} ${source} ${destination} ${port(caller.port)} ${port(caller.localPort)}\r\n`,
      'latin1',
    );
  }
  if (caller === undefined) return Buffer.concat([signature, Buffer.from([local, 0, 0, 0])]);
  // A client that did not come over IP: proxied, but from an address of no known family.
  if (addresses === undefined) return Buffer.concat([signature, Buffer.from([proxied, 0, 0, 0])]);
  const { kind, source, destination } = addresses;
  const hosts = Buffer.concat([addressBytes(source), addressBytes(destination)]);
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(port(caller.port), 0);
  ports.writeUInt16BE(port(caller.localPort), 2);
  const start = Buffer.from([proxied, kind === 'TCP4' ? tcp4 : tcp6, 0, hosts.length + ports.length]);
  return Buffer.concat([signature, start, hosts, ports]);
}

interface AddressPair {
  readonly kind: 'TCP4' | 'TCP6';
  readonly source: string;
  readonly destination: string;
}

/** Both addresses in one family; undefined where one is no IP address. */
function addressPair({ address, localAddress }: CallerConnection): AddressPair | undefined {
  const source = withoutZone(address);
  const destination = withoutZone(localAddress);
  if (isIPv4(source) && isIPv4(destination)) return { kind: 'TCP4', source, destination };
  const [source6, destination6] = [asIPv6(source), asIPv6(destination)];
  if (source6 === undefined || destination6 === undefined) return undefined;
  return { kind: 'TCP6', source: source6, destination: destination6 };
}

function withoutZone(address: string): string {
  const percent = address.indexOf('%');
  return percent < 0 ? address : address.slice(0, percent);
}

function asIPv6(address: string): string | undefined {
  if (isIPv4(address)) return `::ffff:${address}`;
  return isIPv6(address) ? address : undefined;
}

function port(value: number): number {
  return Number.isInteger(value) && value >= 0 && value <= 0xffff ? value : 0;
}

/** 4 or 16 bytes in network order. `address` is valid. */
function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = embeddedAsHex(address).split('::');
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const middle = Array.from({ length: 8 - front.length - back.length }, () => 0);
  const bytes = Buffer.alloc(16);
  for (const [i, group] of [...front, ...middle, ...back].entries()) bytes.writeUInt16BE(group, i * 2);
  return bytes;
}

function groups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

/** `::ffff:192.0.2.1` as `::ffff:c000:201`. */
function embeddedAsHex(address: string): string {
  const at = address.lastIndexOf(':') + 1;
  if (!address.includes('.', at)) return address;
  const [a = 0, b = 0, c = 0, d = 0] = address.slice(at).split('.').map(Number);
  return `${address.slice(0, at)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}
