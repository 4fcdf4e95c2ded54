/** As much of HTTP/2 (RFC 9113) and HPACK (RFC 7541) as it takes to send the same GET again and again and read its answer. */

export const frameType = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7 } as const;
export const flag = { ack: 0x1, endStream: 0x1, endHeaders: 0x4 } as const;

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const buffer = Buffer.alloc(9 + payload.length);
  buffer.writeUIntBE(payload.length, 0, 3);
  buffer[3] = type;
  buffer[4] = flags;
  buffer.writeUInt32BE(stream, 5);
  buffer.set(payload, 9);
  return buffer;
}

const largestWindow = 0x7fff_ffff;

/** Preface, settings without push, and windows that nothing here ever fills. */
export function greeting(): Buffer {
  const settings = Buffer.alloc(12);
  settings.writeUInt16BE(0x2, 0); // ENABLE_PUSH
  settings.writeUInt16BE(0x4, 6); // INITIAL_WINDOW_SIZE
  settings.writeUInt32BE(largestWindow, 8);
  const window = Buffer.alloc(4);
  window.writeUInt32BE(largestWindow - 65_535);
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frame(frameType.settings, 0, 0, settings),
    frame(8, 0, 0, window),
  ]);
}

/** A GET without a body. The authority goes into the server's table with the first request and is an index from then on. */
export function request(stream: number, authority: string, path: string, first: boolean): Buffer {
  const host = first ? [0x41, authority.length, ...Buffer.from(authority)] : [0xbe];
  const block = Buffer.from([0x82, 0x87, ...host, 0x04, path.length, ...Buffer.from(path)]);
  return frame(frameType.headers, flag.endStream | flag.endHeaders, stream, block);
}

/** Whether a header block begins with `:status: 200`, which every encoder writes as one indexed field. */
export function saysOk(block: Uint8Array): boolean {
  let at = 0;
  // Table size updates may come first: five bits, or more in bytes whose top bit says that another one follows.
  while (((block[at] ?? 0) & 0xe0) === 0x20) {
    if ((block[at++]! & 0x1f) === 0x1f) while ((block[at++] ?? 0) & 0x80);
  }
  return block[at] === 0x88;
}
