/** HTTP/1.1 over TLS, by hand: one socket, one request at a time, every answer looked at. */
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { smallBody } from '../bodies.ts';

/** What every connection of the benchmarks negotiates, whatever the server would prefer. */
const tlsOffer = {
  minVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256',
  ecdhCurve: 'prime256v1',
} as const;

export function clientContext(caPem: string): SecureContext {
  return createSecureContext({ ca: caPem, ...tlsOffer });
}

export interface OpenOptions {
  readonly port: number;
  readonly name: string;
  readonly context: SecureContext;
  /** A session to resume. */
  readonly session?: Buffer | undefined;
  readonly alpn?: 'http/1.1' | 'h2';
}

/** A finished handshake with a verified certificate. */
export async function open({ port, name, context, session, alpn = 'http/1.1' }: OpenOptions): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const socket = connect({
    host: '127.0.0.1',
    port,
    servername: name,
    secureContext: context,
    ...(session === undefined ? {} : { session }),
    ALPNProtocols: [alpn],
  });
  socket.setNoDelay(true);
  socket.once('secureConnect', () => resolve(undefined));
  socket.once('error', reject);
  socket.once('close', () => reject(new Error('closed during the handshake')));
  await promise;
  return socket;
}

/** Sends one GET and takes its answer. Rejects unless it is 200 with exactly the body that belongs to the path. */
export async function get(socket: TLSSocket, name: string, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const expected = smallBody(path);
  let answer = '';
  const onData = (chunk: Buffer): void => {
    answer += chunk.toString('latin1');
    const end = answer.indexOf('\r\n\r\n');
    if (end < 0) return;
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(answer.slice(0, end))?.[1]);
    if (length !== expected.length) reject(new Error(`expected ${expected.length} bytes: ${answer.slice(0, 200)}`));
    else if (answer.length - end - 4 < length) return;
    else if (!answer.startsWith('HTTP/1.1 200 ') || answer.slice(end + 4) !== expected)
      reject(new Error(`not the answer to ${path}: ${answer.slice(0, 300)}`));
    else resolve(undefined);
  };
  const onClose = (): void => reject(new Error(`closed instead of an answer (${answer.length} bytes came)`));
  socket.on('data', onData);
  socket.once('error', reject);
  socket.once('close', onClose);
  try {
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${name}\r\n\r\n`, 'latin1');
    await promise;
  } finally {
    socket.off('data', onData);
    socket.off('error', reject);
    socket.off('close', onClose);
  }
}
