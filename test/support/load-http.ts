import { request as httpsRequest, Agent, type RequestOptions } from 'node:https';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { monotonicMs, type Lane, type LoadContext } from './load-types.ts';
import { expected, Failed, type Expected } from './load-verify.ts';

/** What may be resumed, with the certificate of the handshake that it comes from; by name. */
type Sessions = Map<string, { readonly session: Buffer; readonly serial: string }>;

/** HTTP/1.1: `keepalive` holds one connection per lane and name, `new` opens one for every request. */
export function httpLanes(context: LoadContext, count: number): Lane[] {
  const sessions: Sessions = new Map();
  return Array.from({ length: count }, () => lane(context, sessions));
}

function lane(context: LoadContext, sessions: Sessions): Lane {
  const { options } = context;
  const keepAlive = options.mode === 'keepalive';
  const limit = options.requestsPerConnection ?? Infinity;
  let agent = new Agent({ keepAlive, maxSockets: 1 });
  let onAgent = 0;
  const carriedBy = new WeakMap<TLSSocket, number>();
  return {
    send: async (request, servername) => {
      if (keepAlive && (onAgent += 1) > limit) {
        agent.destroy();
        agent = new Agent({ keepAlive, maxSockets: 1 });
        onAgent = 1;
      }
      await send(context, expected(options, request), servername, {
        agent: keepAlive ? agent : false,
        carriedBy,
        sessions,
      });
    },
    close: async () => agent.destroy(),
  };
}

async function send(
  context: LoadContext,
  wanted: Expected,
  servername: string,
  { agent, carriedBy, sessions }: { agent: Agent | false; carriedBy: WeakMap<TLSSocket, number>; sessions: Sessions },
): Promise<void> {
  const { host = '127.0.0.1', port, caPem, requestTimeoutMs = 30_000, tlsVersion, resume } = context.options;
  const offered = resume === true ? sessions.get(servername) : undefined;
  const startedMs = monotonicMs();
  let carried = 0;
  let connected = false;
  const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const fail = (error: unknown): void => reject(new Failed(connected ? 'request' : 'connect', error, carried));
    const request: RequestOptions & ConnectionOptions = {
      host,
      port,
      servername,
      method: wanted.method,
      path: wanted.path,
      headers: {
        host: `${servername}:${port}`,
        ...(wanted.body.length > 0 ? { 'content-length': wanted.body.length } : {}),
      },
      agent,
      ca: caPem,
      ALPNProtocols: ['http/1.1'],
      timeout: requestTimeoutMs,
      ...(tlsVersion === undefined ? {} : { minVersion: tlsVersion, maxVersion: tlsVersion }),
      ...(offered === undefined ? {} : { session: offered.session }),
    };
    const outgoing = httpsRequest(request, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.once('error', fail);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text: body }));
    });
    outgoing.once('socket', (socket) => {
      const secure = socket as TLSSocket;
      carried = carriedBy.get(secure) ?? 0;
      carriedBy.set(secure, carried + 1);
      if (carried > 0) {
        connected = true;
        return;
      }
      if (resume === true)
        secure.on('session', (session) => {
          const { serialNumber } = secure.getPeerX509Certificate() ?? {};
          if (serialNumber !== undefined) sessions.set(servername, { session, serial: serialNumber });
        });
      secure.once('secureConnect', () => {
        connected = true;
        const resumed = secure.isSessionReused();
        const serial = secure.getPeerX509Certificate()?.serialNumber ?? '';
        if (offered !== undefined) context.resumption(startedMs, servername, offered.serial, resumed);
        if (!resumed) context.handshake(startedMs, servername, serial);
      });
    });
    outgoing.once('timeout', () => outgoing.destroy(new Error(`no answer within ${requestTimeoutMs} ms`)));
    outgoing.once('error', fail);
    outgoing.end(wanted.body);
  });
  wanted.check(status, text, carried);
}
