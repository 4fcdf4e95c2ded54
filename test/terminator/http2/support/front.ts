import { once } from 'node:events';
import { connect as connectHttp2, type ClientHttp2Session, type SecureClientSessionOptions } from 'node:http2';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { defaultLimits, defaultTimeouts } from '../../../../src/core/terminator.ts';
import { createHttp2, type Http2 } from '../../../../src/terminator/http2/http2.ts';
import {
  answer,
  type Connection,
  type Inbound,
  type Outbound,
  type Outcome,
} from '../../../../src/terminator/proxy/exchange.ts';
import { until } from '../../../support/until.ts';
import { FramePeer } from './peer.ts';

export interface Exchange {
  readonly inbound: Inbound;
  readonly outbound: Outbound;
  outcome: Outcome | undefined;
}

export interface FrontOptions {
  limits?: Partial<typeof defaultLimits>;
  timeouts?: Partial<typeof defaultTimeouts>;
  /** By default every request is answered 200 with its method and target. */
  handle?: (inbound: Inbound, outbound: Outbound) => void;
}

/** The front on a plain TCP port, so that clients with prior knowledge can talk to it; its timer moves by hand. */
export interface TestFront extends AsyncDisposable {
  readonly port: number;
  readonly http2: Http2;
  readonly exchanges: Exchange[];
  readonly limits: string[];
  readonly refused: number[];
  /** Server sides of connections. */
  readonly sockets: Socket[];
  configure(options: FrontOptions): void;
  /** Lets deadlines see that so much time has gone by. */
  pass(ms: number): void;
  /** Whether the timer runs: it does while there are connections. */
  readonly ticking: boolean;
  client(options?: SecureClientSessionOptions): Promise<ClientHttp2Session>;
  /** A client that sends frames as the test says; the preface and SETTINGS have been exchanged. */
  peer(): Promise<FramePeer>;
  /** A connection on which nothing has been sent. */
  socket(): Promise<Socket>;
}

const connection: Connection = {
  protocol: 'https',
  address: '127.0.0.1',
  port: 4711,
  localAddress: '127.0.0.1',
  localPort: 443,
  trusted: false,
};

export async function startFront(options: FrontOptions = {}): Promise<TestFront> {
  await using stack = new AsyncDisposableStack();
  const exchanges: Exchange[] = [];
  const limits: string[] = [];
  const refused: number[] = [];
  const sockets: Socket[] = [];
  const handle = options.handle ?? echo;
  let tick: (() => void) | undefined;
  let tickMs = 0;
  const settingsOf = ({ limits: some, timeouts }: FrontOptions) => ({
    limits: { ...defaultLimits, ...some },
    timeouts: { ...defaultTimeouts, ...timeouts },
  });
  const http2 = createHttp2({
    settings: settingsOf(options),
    handle: (inbound, outbound) => {
      const exchange: Exchange = { inbound, outbound, outcome: undefined };
      exchanges.push(exchange);
      outbound.onClose((outcome) => (exchange.outcome = outcome));
      handle(inbound, outbound);
    },
    onRefused: (_connection, status) => refused.push(status),
    onLimit: (limit) => limits.push(limit),
    every: (ms, call) => {
      tickMs = ms;
      tick = call;
      return () => (tick = undefined);
    },
  });
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.push(socket);
    http2.accept(socket, connection);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  stack.defer(async () => {
    http2.destroy();
    server.close();
    await once(server, 'close');
  });
  const parts = stack.move();
  const socket = async (): Promise<Socket> => {
    const raw = connect({ port, host: '127.0.0.1', noDelay: true });
    parts.defer(() => void raw.destroy());
    raw.on('error', () => undefined);
    await once(raw, 'connect');
    return raw;
  };
  return {
    port,
    http2,
    exchanges,
    limits,
    refused,
    sockets,
    configure: (changed) => http2.configure(settingsOf(changed)),
    pass: (ms) => {
      for (let at = 0; at < ms; at += tickMs) tick?.();
    },
    get ticking() {
      return tick !== undefined;
    },
    client: async (more = {}) => {
      const session = connectHttp2(`http://a.test:${port}`, {
        ...more,
        createConnection: () => connect(port, '127.0.0.1'),
      });
      session.on('error', () => undefined);
      parts.defer(() => session.destroy());
      await until(() => session.remoteSettings.enableConnectProtocol === true, { what: 'SETTINGS', everyMs: 2 });
      return session;
    },
    peer: async () => {
      const peer = new FramePeer(await socket());
      await peer.greet();
      return peer;
    },
    socket,
    [Symbol.asyncDispose]: async () => await parts.disposeAsync(),
  };
}

function echo({ method, target, body }: Inbound, outbound: Outbound): void {
  body?.discard();
  answer(outbound, 200, `${method} ${target}\n`);
}
