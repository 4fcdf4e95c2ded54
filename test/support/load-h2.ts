import { once } from 'node:events';
import { connect, constants, type ClientHttp2Session } from 'node:http2';
import { connect as tlsConnect, type TLSSocket } from 'node:tls';
import { monotonicMs, type Lane, type LoadContext } from './load-types.ts';
import { expected, Failed } from './load-verify.ts';

interface Shared {
  session: Promise<ClientHttp2Session>;
  carried: number;
}

/** HTTP/2: lanes are streams on a few shared connections, one per name and slot. */
export function h2Lanes(context: LoadContext, count: number): Lane[] {
  const slots = Array.from(
    { length: Math.min(context.options.connections ?? 1, count) },
    () => new Map<string, Shared>(),
  );
  return Array.from({ length: count }, (_, index) => lane(context, slots[index % slots.length]!));
}

function lane(context: LoadContext, slot: Map<string, Shared>): Lane {
  const { options } = context;
  return {
    send: async (request, servername) => {
      for (let attempts = 1; ; attempts += 1) {
        try {
          await attempt(context, slot, request, servername);
          return;
        } catch (error) {
          if (options.repeatRefused !== true || !isUnprocessed(error) || attempts === 3) throw error;
          slot.delete(servername);
        }
      }
    },
    close: async () => {
      for (const shared of slot.values()) (await shared.session.catch(() => undefined))?.close();
      slot.clear();
    },
  };
}

async function attempt(
  context: LoadContext,
  slot: Map<string, Shared>,
  request: number,
  servername: string,
): Promise<void> {
  const { options } = context;
  const wanted = expected(options, request);
  const shared = acquire(context, slot, servername);
  const carried = (shared.carried += 1) - 1;
  let session: ClientHttp2Session;
  try {
    session = await shared.session;
  } catch (error) {
    if (slot.get(servername) === shared) slot.delete(servername);
    throw new Failed('connect', error);
  }
  if (carried + 1 === (options.requestsPerConnection ?? Infinity)) {
    slot.delete(servername);
    queueMicrotask(() => session.close()); // after this request has been sent; open streams finish
  }
  try {
    const { status, text } = await exchange(session, servername, wanted, options);
    wanted.check(status, text, carried);
  } catch (error) {
    throw error instanceof Failed ? error : new Failed('request', error, carried);
  }
}

/** RFC 9113 §8.7: a server that goes away refuses what crosses its GOAWAY; it has done nothing with it. */
function isUnprocessed(error: unknown): boolean {
  const { code, message } = error as Failed;
  return (
    (code === 'ERR_HTTP2_STREAM_ERROR' && message.includes('NGHTTP2_REFUSED_STREAM')) ||
    code === 'ERR_HTTP2_GOAWAY_SESSION' ||
    code === 'ERR_HTTP2_INVALID_SESSION'
  );
}

async function exchange(
  session: ClientHttp2Session,
  servername: string,
  wanted: ReturnType<typeof expected>,
  { port, requestTimeoutMs = 30_000 }: LoadContext['options'],
): Promise<{ status: number; text: string }> {
  const stream = session.request(
    { ':method': wanted.method, ':path': wanted.path, ':authority': `${servername}:${port}` },
    { endStream: wanted.body.length === 0 },
  );
  stream.setTimeout(requestTimeoutMs, () => stream.destroy(new Error(`no answer within ${requestTimeoutMs} ms`)));
  if (wanted.body.length > 0) stream.end(wanted.body);
  return await new Promise((resolve, reject) => {
    let status = 0;
    let text = '';
    let ended = false;
    stream.setEncoding('utf8');
    stream.on('response', (headers) => (status = headers[':status'] ?? 0));
    stream.on('data', (chunk: string) => (text += chunk));
    stream.once('end', () => (ended = true));
    stream.once('error', reject);
    stream.once('close', () => {
      if (ended && stream.rstCode === constants.NGHTTP2_NO_ERROR) resolve({ status, text });
      else
        reject(Object.assign(new Error(`stream closed with code ${stream.rstCode}`), { code: `H2_${stream.rstCode}` }));
    });
  });
}

function acquire(context: LoadContext, slot: Map<string, Shared>, servername: string): Shared {
  const held = slot.get(servername);
  if (held) return held;
  const shared: Shared = { session: open(context, servername, () => drop()), carried: 0 };
  const drop = (): void => {
    if (slot.get(servername) === shared) slot.delete(servername);
  };
  slot.set(servername, shared);
  return shared;
}

async function open(context: LoadContext, servername: string, onGone: () => void): Promise<ClientHttp2Session> {
  const { host = '127.0.0.1', port, caPem } = context.options;
  const startedMs = monotonicMs();
  const socket: TLSSocket = tlsConnect({ host, port, servername, ca: caPem, ALPNProtocols: ['h2'] });
  await once(socket, 'secureConnect');
  context.handshake(startedMs, servername, socket.getPeerX509Certificate()?.serialNumber ?? '');
  const session = connect(`https://${servername}:${port}`, { createConnection: () => socket });
  session.on('error', onGone);
  session.once('goaway', onGone);
  session.once('close', onGone);
  return session;
}
