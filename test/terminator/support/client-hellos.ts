/** ClientHellos for tests: built field by field, or taken from real clients. */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { until } from '../../support/until.ts';

export function u8(value: number): Buffer {
  return Buffer.from([value]);
}

export function u16(...values: number[]): Buffer {
  return Buffer.concat(values.map((value) => Buffer.from([(value >> 8) & 0xff, value & 0xff])));
}

/** A vector: its length in `lengthBytes`, then its content. */
export function vector(lengthBytes: 1 | 2, ...content: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(content);
  return Buffer.concat([lengthBytes === 1 ? u8(bytes.length) : u16(bytes.length), bytes]);
}

export function extension(type: number, data: Buffer): Buffer {
  return Buffer.concat([u16(type), vector(2, data)]);
}

export const sni = (name: string): Buffer =>
  extension(0, vector(2, Buffer.concat([u8(0), vector(2, Buffer.from(name, 'latin1'))])));
export const alpn = (...names: string[]): Buffer =>
  extension(16, vector(2, ...names.map((name) => vector(1, Buffer.from(name, 'latin1')))));
export const supportedVersions = (...versions: number[]): Buffer => extension(43, vector(1, u16(...versions)));
export const signatureAlgorithms = (...schemes: number[]): Buffer => extension(13, vector(2, u16(...schemes)));
export const sessionTicket = (ticket: Buffer): Buffer => extension(35, ticket);
export const preSharedKey = (...identities: Buffer[]): Buffer =>
  extension(
    41,
    Buffer.concat([
      vector(2, ...identities.map((identity) => Buffer.concat([vector(2, identity), Buffer.alloc(4)]))),
      vector(2, ...identities.map(() => vector(1, Buffer.alloc(32)))),
    ]),
  );

export interface HelloParts {
  legacyVersion?: number;
  sessionId?: Buffer;
  suites?: readonly number[];
  compressions?: Buffer;
  /** Undefined: no extensions field at all. */
  extensions?: readonly Buffer[] | undefined;
}

/** The handshake message, without records. */
export function helloMessage(parts: HelloParts = {}): Buffer {
  const { legacyVersion = 0x0303, sessionId = Buffer.alloc(32, 7), suites = [0x1301, 0xc02b] } = parts;
  const body = Buffer.concat([
    u16(legacyVersion),
    Buffer.alloc(32, 0xab),
    vector(1, sessionId),
    vector(2, u16(...suites)),
    vector(1, parts.compressions ?? u8(0)),
    ...(parts.extensions === undefined ? [] : [vector(2, ...parts.extensions)]),
  ]);
  return Buffer.concat([u8(1), u8(body.length >> 16), u16(body.length & 0xffff), body]);
}

/** In records of at most `size` bytes. */
export function inRecords(message: Buffer, size = 16_384): Buffer {
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    records.push(Buffer.from([22, 3, 1]), vector(2, message.subarray(at, at + size)));
  }
  return Buffer.concat(records);
}

/** What a client sends first to `127.0.0.1:port`, collected until `whole` says that it is all. */
export async function captureFirstBytes(
  client: (port: number) => Promise<unknown>,
  whole: (bytes: Buffer) => boolean,
): Promise<Buffer> {
  let bytes = Buffer.alloc(0);
  const server = createServer((socket) => {
    const mine: Buffer[] = [];
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      mine.push(chunk);
      const all = Buffer.concat(mine);
      if (!whole(all)) return;
      bytes = all;
      socket.destroy();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const running = client((server.address() as AddressInfo).port);
  try {
    await until(() => bytes.length > 0, { what: 'the first bytes of the client' });
  } finally {
    server.close();
    await running;
  }
  return bytes;
}
