/** Handshakes: one `tls.Server` per policy group, fed with accepted sockets by `emit('connection')`. */
import type { Socket } from 'node:net';
import { createServer, type SecureContext, type Server, type TlsOptions, type TLSSocket } from 'node:tls';
import type { Bundle } from '../../core/bundle.ts';
import type { InUse, WorkerCertificates } from './certificates.ts';

export interface PolicyGroup {
  /** Part of what a session is bound to: a session of one group never resumes in another (DESIGN §5.13). */
  readonly name: string;
  readonly handshakeMs: number;
  readonly ticketKeys: Buffer;
}

export interface TlsFrontOptions {
  readonly group: PolicyGroup;
  readonly certificates: WorkerCertificates;
  /** Host whose certificate answers unknown and missing names; undefined: refuse. */
  readonly defaultHost: () => string | undefined;
  onSecure(socket: TLSSocket, names: readonly string[] | undefined): void;
  onHandshake(result: string): void;
}

/** Fatal alert before any answer (RFC 8446 §6): record type 21, TLS 1.2 on the wire, two bytes. */
function fatalAlert(description: number): Buffer {
  return Buffer.from([21, 3, 3, 0, 2, 2, description]);
}
const unrecognizedName = fatalAlert(112);
const internalError = fatalAlert(80);

export class TlsFront {
  readonly #options: TlsFrontOptions;
  readonly #base: TlsOptions;
  readonly #server: Server;
  /** Refused by us: what the TLS layer says about them afterwards is not counted again. */
  readonly #refused = new WeakSet<TLSSocket>();
  /** Names of the certificate a handshake was given. */
  readonly #chosen = new WeakMap<TLSSocket, readonly string[]>();
  #defaultNames: readonly string[] | undefined;

  constructor(options: TlsFrontOptions) {
    this.#options = options;
    const { group } = options;
    this.#base = {
      minVersion: 'TLSv1.2',
      ticketKeys: group.ticketKeys,
      // Set because node would derive it from the command line, which differs between processes.
      sessionIdContext: group.name,
    };
    const chosen = (socket: TLSSocket, name: string, done: SniDone): void => this.#choose(socket, name, done);
    this.#server = createServer({
      ...this.#base,
      ALPNProtocols: ['h2', 'http/1.1'],
      handshakeTimeout: group.handshakeMs,
      SNICallback(this: TLSSocket, name: string, done: SniDone) {
        chosen(this, name, done);
      },
    } as TlsOptions);
    this.#server.on('secureConnection', (socket) => this.#secured(socket));
    this.#server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      if (!this.#refused.has(socket)) options.onHandshake(failureReason(error));
      socket.destroy();
    });
  }

  accept(socket: Socket): void {
    socket.on('error', () => socket.destroy()); // after the handshake has begun the TLS socket reports it, too
    this.#server.emit('connection', socket);
  }

  /** The certificate for clients without a server name. Ticket keys are given again, or all sessions would be lost. */
  setDefault(bundle: Bundle | undefined, names: readonly string[] | undefined): void {
    this.#defaultNames = names;
    this.#server.setSecureContext(
      bundle === undefined ? this.#base : { ...this.#base, cert: bundle.chainPem, key: bundle.keyPem },
    );
  }

  #choose(socket: TLSSocket, name: string, done: SniDone): void {
    const host = name.toLowerCase();
    const ready = this.#options.certificates.peek(host)?.best;
    if (ready === undefined) void this.#chooseLater(socket, host, done);
    else this.#give(socket, ready, done);
  }

  /** Never rejects: a handshake that cannot be served is refused. */
  async #chooseLater(socket: TLSSocket, host: string, done: SniDone): Promise<void> {
    try {
      const { certificates, defaultHost } = this.#options;
      const fallback = defaultHost();
      const found =
        (await certificates.use(host)) ?? (fallback === undefined ? undefined : await certificates.use(fallback));
      if (socket.destroyed) return;
      if (found === undefined) this.#refuse(socket, unrecognizedName, 'unknown-name');
      else this.#give(socket, found.best, done);
    } catch {
      this.#refuse(socket, internalError, 'certificate-unloadable'); // why is known where it is loaded
    }
  }

  #give(socket: TLSSocket, found: InUse, done: SniDone): void {
    this.#chosen.set(socket, found.names);
    done(null, found.context);
  }

  /** The alert goes out in plain under the TLS layer, which has written nothing yet. */
  #refuse(socket: TLSSocket, alert: Buffer, reason: string): void {
    const raw = (socket as TLSSocket & { _parent?: Socket })._parent;
    this.#options.onHandshake(reason);
    this.#refused.add(socket);
    if (raw?.writable === true) raw.write(alert);
    socket.destroy();
  }

  #secured(socket: TLSSocket): void {
    const resumed = socket.isSessionReused();
    this.#options.onHandshake(resumed ? 'resumed' : 'ok');
    // A resumed TLS 1.2 session tells neither name nor certificate; without a name the default one is in use.
    const unknown = resumed && socket.getProtocol() === 'TLSv1.2';
    this.#options.onSecure(socket, this.#chosen.get(socket) ?? (unknown ? undefined : this.#defaultNames));
  }
}

type SniDone = (error: Error | null, context?: SecureContext) => void;

function failureReason(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ERR_TLS_HANDSHAKE_TIMEOUT':
      return 'timeout';
    case 'ECONNRESET':
    case 'EPIPE':
      return 'client-gone';
    case 'ERR_SSL_NO_SHARED_CIPHER':
    case 'ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM':
      return 'no-common-parameters'; // or no server name, and no default certificate
    case 'ERR_SSL_UNSUPPORTED_PROTOCOL':
      return 'old-version';
    case 'ERR_SSL_HTTP_REQUEST':
      return 'plain-http';
    default:
      return 'other';
  }
}
