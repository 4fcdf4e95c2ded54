import { once } from 'node:events';
import { connect as tlsConnect } from 'node:tls';
import { WebSocket } from 'ws';
import { monotonicMs, type Lane, type LoadContext } from './load-types.ts';
import { Failed } from './load-verify.ts';

/** One WebSocket per lane, open from its first message to the end; every message must come back unchanged. */
export function webSocketLanes(context: LoadContext, count: number): Lane[] {
  return Array.from({ length: count }, () => lane(context));
}

function lane(context: LoadContext): Lane {
  const { requestTimeoutMs = 30_000, bodyBytes = 32 } = context.options;
  let socket: WebSocket | undefined;
  let carried = 0;
  return {
    send: async (request, servername) => {
      if (!socket || socket.readyState !== WebSocket.OPEN) {
        // The first opening is the start of the load; any later one means that a connection was lost.
        const lost = socket;
        socket = await open(context, servername);
        if (lost) throw new Failed('request', new Error('the WebSocket was closed between two messages'), carried);
        carried = 0;
      }
      const message = `${request}:`.padEnd(bodyBytes, 'w');
      const signal = AbortSignal.timeout(requestTimeoutMs);
      const closed = new AbortController();
      socket.once('close', (code, reason) => closed.abort(new Error(`closed with ${code} ${reason.toString()}`)));
      socket.send(message);
      try {
        const [data] = (await once(socket, 'message', { signal: AbortSignal.any([signal, closed.signal]) })) as [
          Buffer,
        ];
        if (data.toString() !== message)
          throw new Failed('verify', new Error(`echo differs: ${data.toString()}`), carried);
      } catch (error) {
        const reason = closed.signal.aborted ? closed.signal.reason : error;
        throw error instanceof Failed ? error : new Failed('request', reason, carried);
      } finally {
        socket.removeAllListeners('close');
      }
      carried += 1;
    },
    close: async () => {
      if (!socket || socket.readyState !== WebSocket.OPEN) return;
      const closed = once(socket, 'close');
      socket.close(1000);
      await closed;
    },
  };
}

async function open(context: LoadContext, servername: string): Promise<WebSocket> {
  const { host = '127.0.0.1', port, caPem, path = '/' } = context.options;
  const startedMs = monotonicMs();
  try {
    const secure = tlsConnect({ host, port, servername, ca: caPem, ALPNProtocols: ['http/1.1'] });
    await once(secure, 'secureConnect');
    context.handshake(startedMs, servername, secure.getPeerX509Certificate()?.serialNumber ?? '');
    const socket = new WebSocket(`wss://${servername}:${port}${path}`, { createConnection: () => secure });
    socket.on('error', () => {}); // `close` follows and carries the reason
    const opened = once(socket, 'open');
    await opened;
    return socket;
  } catch (error) {
    throw new Failed('connect', error);
  }
}
