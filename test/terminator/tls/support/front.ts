import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { connect as tlsConnect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { readChain, type Bundle } from '../../../../src/core/bundle.ts';
import {
  defaultLimits,
  defaultTimeouts,
  type HostSettings,
  type TerminatorSettings,
} from '../../../../src/core/terminator.ts';
import { tlsPresets, type TlsPolicy } from '../../../../src/core/tls-policy.ts';
import { HelloReader } from '../../../../src/terminator/accept/hello-reader.ts';
import type { HostState, SlotMaterial, WorkerSettings } from '../../../../src/terminator/ipc/messages.ts';
import { WorkerCertificates } from '../../../../src/terminator/tls/certificates.ts';
import type { HandshakeFailure } from '../../../../src/terminator/tls/failure.ts';
import { TlsFront } from '../../../../src/terminator/tls/front.ts';
import type { ConnectionTls } from '../../../../src/terminator/tls/handshake.ts';
import { until } from '../../../support/until.ts';

export interface FrontOptions {
  readonly tls?: Partial<TlsPolicy>;
  readonly hosts?: readonly HostSettings[];
  readonly defaultHost?: string;
  readonly handshakeMs?: number;
  readonly files?: Record<string, string>;
  readonly endedLists?: Record<string, number>;
  readonly ticketKeys?: readonly Buffer[];
  /** As listeners for tcp routes have it. */
  readonly allowHalfOpen?: boolean;
}

export interface Secured {
  readonly socket: TLSSocket;
  readonly tls: ConnectionTls;
  readonly alpn: string | undefined;
}

/** A TLS front behind a listener of its own; what it lets in is answered with what it knows of the connection. */
export interface TestFront extends AsyncDisposable {
  readonly port: number;
  readonly front: TlsFront<number>;
  readonly certificates: WorkerCertificates;
  readonly secured: Secured[];
  readonly failures: HandshakeFailure[];
  readonly warnings: string[];
  /** Puts a certificate in place for a host, or a second one beside it. */
  serve(host: string, bundle: Bundle, alternative?: Bundle): Promise<void>;
  /** Gives the host's certificate (the first one) an OCSP response. */
  staple(host: string, response: Buffer | undefined): void;
  configure(options: FrontOptions): void;
  connect(options?: ConnectionOptions): TLSSocket;
  /** A finished handshake and what the server knows of it. */
  handshake(options?: ConnectionOptions): Promise<{ client: TLSSocket; tls: ConnectionTls; alpn: string | undefined }>;
  /** A session that the server is willing to resume. */
  session(options?: ConnectionOptions): Promise<Buffer>;
  /** The client's error, and the reason that the server gives. */
  refused(options?: ConnectionOptions): Promise<{ error: NodeJS.ErrnoException; reason: HandshakeFailure }>;
}

export function frontSettings(options: FrontOptions): WorkerSettings {
  const settings: TerminatorSettings = {
    workers: 1,
    https: [],
    http: [],
    proxyProtocol: { https: false, http: false },
    trustedProxies: [],
    routes: [],
    backends: {},
    hosts: options.hosts ?? [],
    tls: { ...tlsPresets.intermediate, ...options.tls },
    sources: [],
    ...(options.defaultHost === undefined ? {} : { defaultHost: options.defaultHost }),
    timeouts: { ...defaultTimeouts, handshakeMs: options.handshakeMs ?? 5_000 },
    limits: defaultLimits,
  };
  return { settings, files: options.files ?? {}, endedLists: options.endedLists };
}

export async function startFront(options: FrontOptions = {}): Promise<TestFront> {
  const slots = new Map<string, SlotMaterial>();
  const hosts = new Map<string, HostState>();
  const secured: Secured[] = [];
  const failures: HandshakeFailure[] = [];
  const warnings: string[] = [];
  const sockets = new Set<Socket>();
  let versions = 0;
  const certificates = new WorkerCertificates(
    {
      resolve: (host, done) => setImmediate(() => done(hosts.get(host) ?? null)),
      material: (slot, done) => setImmediate(() => done(slots.get(slot) ?? null)),
    },
    { contexts: 100, hosts: 100 },
  );
  const front = new TlsFront<number>({
    certificates,
    settings: frontSettings(options),
    ticketKeys: options.ticketKeys ?? [Buffer.alloc(48, 1)],
    onSecure: (socket, tls, alpn, peer) => {
      secured.push({ socket, tls, alpn });
      socket.on('data', () => socket.write(`connection ${peer}`));
    },
    onFailure: ({ reason }) => failures.push(reason),
    onWarning: (_message, { reason }) => warnings.push(String(reason)),
  });
  let accepted = 0;
  const server = createServer({ allowHalfOpen: options.allowHalfOpen === true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    const reader = new HelloReader();
    const onError = (): void => void socket.destroy();
    const onData = (chunk: Buffer): void => {
      const result = reader.push(chunk);
      if (result === 'more') return;
      socket.pause();
      socket.off('data', onData).off('error', onError);
      if (typeof result === 'string') socket.destroy();
      else front.accept(socket, result, reader.bytes, (accepted += 1));
    };
    socket.on('error', onError).on('data', onData);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const clients: TLSSocket[] = [];
  const load = (host: string, bundle: Bundle, kind: string): SlotMaterial => {
    const { names, notBefore, notAfter, keyAlgorithm } = readChain(bundle.chainPem);
    versions += 1;
    const slot = `${host} ${kind}`;
    const material = { slot, versionId: `${slot}#${versions}`, names, notBefore, notAfter, keyAlgorithm, bundle };
    slots.set(slot, material);
    return material;
  };
  const testFront: TestFront = {
    port,
    front,
    certificates,
    secured,
    failures,
    warnings,
    async serve(host, bundle, alternative) {
      const best = load(host, bundle, 'best');
      const other = alternative && load(host, alternative, 'other');
      hosts.set(host, { ...stateOf(best), ...(other === undefined ? {} : { alternative: stateOf(other) }) });
      await certificates.apply([
        { kind: 'certificate', slot: best.slot, names: best.names },
        ...(other === undefined ? [] : [{ kind: 'certificate' as const, slot: other.slot, names: other.names }]),
      ]);
    },
    staple(host, response) {
      const { slot, versionId } = slots.get(`${host} best`) as SlotMaterial;
      certificates.staple({ kind: 'staple', slot, versionId, staple: response?.toString('base64') });
    },
    configure: (changed) => front.configure(frontSettings({ ...options, ...changed })),
    connect(tls = {}) {
      const client = tlsConnect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...tls });
      clients.push(client);
      return client;
    },
    async handshake(tls = {}) {
      const client = testFront.connect(tls);
      await once(client, 'secureConnect');
      client.on('error', () => undefined);
      client.write('?');
      const [answer] = (await once(client, 'data')) as [Buffer];
      const found = secured.find(({ socket }) => socket.remotePort === client.localPort);
      if (found === undefined) throw new Error(`nothing is known of ${answer.toString()}`);
      return { client, tls: found.tls, alpn: found.alpn };
    },
    async session(tls = {}) {
      const client = testFront.connect(tls);
      const [session] = (await once(client, 'session')) as [Buffer];
      client.destroy();
      return session;
    },
    async refused(tls = {}) {
      const before = failures.length;
      const client = testFront.connect(tls);
      const over = Promise.withResolvers<NodeJS.ErrnoException>();
      client.on('error', over.resolve);
      client.on('close', () => over.resolve(new Error('closed')));
      client.on('secureConnect', () => client.write('?'));
      client.on('data', () => over.reject(new Error('the client was let in')));
      const error = await over.promise;
      await until(() => failures.length > before, { what: 'a reason' });
      return { error, reason: failures.at(-1) as HandshakeFailure };
    },
    async [Symbol.asyncDispose]() {
      front.destroy();
      server.close();
      for (const socket of [...clients, ...sockets]) socket.destroy();
      if (server.listening) await once(server, 'close');
    },
  };
  return testFront;
}

function stateOf({ bundle: _bundle, ...state }: SlotMaterial): HostState {
  return state;
}
