/** Where accepted connections become TLS connections: policy and certificate first, then the handshake. */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ClientHello } from '../accept/client-hello.ts';
import type { WorkerSettings } from '../ipc/messages.ts';
import { alerts } from './alert.ts';
import { loadContext, type HostCertificates, type InUse, type WorkerCertificates } from './certificates.ts';
import { Deadlines } from './deadlines.ts';
import type { HandshakeFailure } from './failure.ts';
import { Handshake, type ConnectionTls, type HandshakeEnd } from './handshake.ts';
import { Policies, type ActivePolicy } from './policy.ts';
import { PolicyContexts } from './policy-contexts.ts';
import { select } from './selection.ts';

export interface TlsFrontOptions<Peer> {
  readonly certificates: WorkerCertificates;
  readonly settings: WorkerSettings;
  /** 48 bytes each; the first one encrypts, all of them resume sessions. */
  readonly ticketKeys: readonly Buffer[];
  /**
   * The handshake is done and the client may come in. `alpn`: what was negotiated, if anything. Whoever takes the socket
   * listens to it before returning. Called from within the TLS library: what throws here ends the process.
   */
  onSecure(socket: TLSSocket, tls: ConnectionTls, alpn: string | undefined, peer: Peer): void;
  /** It failed; the connection is closed. */
  onFailure(failed: FailedHandshake<Peer>): void;
  /** What a person should look into, once. */
  onWarning(message: string, fields: Readonly<Record<string, unknown>>): void;
}

export interface FailedHandshake<Peer> {
  readonly reason: HandshakeFailure;
  /** What the TLS library calls it, where there is more to say. */
  readonly detail: string | undefined;
  /** That the client asked for. */
  readonly host: string | undefined;
  readonly peer: Peer;
}

/** `Peer` is what the caller knows of the connection and wants to have back with it. */
export class TlsFront<Peer> implements HandshakeEnd {
  readonly #options: TlsFrontOptions<Peer>;
  readonly #contexts: PolicyContexts;
  readonly #deadlines = new Deadlines<Handshake>((handshake) => handshake.abort('timeout'));
  #settings: WorkerSettings['settings'];
  #policies: Policies;

  constructor(options: TlsFrontOptions<Peer>) {
    this.#options = options;
    this.#settings = options.settings.settings;
    this.#policies = new Policies(options.settings);
    this.#contexts = new PolicyContexts(options.ticketKeys);
    options.certificates.prepare = (loaded) => this.#prepare(loaded);
  }

  /** Handshakes under way. */
  get pending(): number {
    return this.#deadlines.size;
  }

  /**
   * Takes the connection over. `socket`: paused, its listeners taken away, nothing left in its buffer. `firstBytes`: all
   * that has been read from it, the whole ClientHello included; nobody else may write into them. Exactly one of `onSecure`
   * and `onFailure` follows, within the handshake timeout.
   */
  accept(socket: Socket, hello: ClientHello, firstBytes: Buffer, peer: Peer): void {
    const handshake = new Handshake(socket, hello, peer, this);
    this.#deadlines.add(handshake, this.#settings.timeouts.handshakeMs);
    const host = hello.serverName ?? this.#settings.defaultHost;
    const found = host === undefined ? undefined : this.#options.certificates.peek(host);
    if (host !== undefined && found !== undefined) this.#begin(handshake, firstBytes, { host, found });
    else void this.#beginLater(handshake, firstBytes, host);
  }

  /** Policies of hosts from here on; open connections keep theirs. */
  configure(settings: WorkerSettings): void {
    this.#settings = settings.settings;
    this.#policies = new Policies(settings);
    this.#contexts.retain(this.#policies.ids);
  }

  /** In effect with the next handshake; sessions of the keys that stay in the list are resumed. */
  setTicketKeys(keys: readonly Buffer[]): void {
    this.#contexts.setTicketKeys(keys);
  }

  /** What holds for a host. A connection may be used for it only when its `policyId` is this one's (421 otherwise). */
  policyOf(host: string): ActivePolicy {
    return this.#policies.of(host);
  }

  /** Ends handshakes under way. */
  destroy(): void {
    for (const handshake of this.#deadlines.clear()) handshake.abort('other');
  }

  secured(handshake: Handshake, socket: TLSSocket, tls: ConnectionTls): void {
    this.#deadlines.delete(handshake);
    const { alpnProtocol } = socket;
    this.#options.onSecure(
      socket,
      tls,
      alpnProtocol === false ? undefined : (alpnProtocol ?? undefined),
      handshake.peer as Peer,
    );
  }

  failed(handshake: Handshake, reason: HandshakeFailure, detail?: string): void {
    this.#deadlines.delete(handshake);
    this.#options.onFailure({ reason, detail, host: handshake.hello.serverName, peer: handshake.peer as Peer });
  }

  /** Never rejects: what cannot be served is refused. */
  async #beginLater(handshake: Handshake, firstBytes: Buffer, host: string | undefined): Promise<void> {
    const { socket } = handshake;
    const gone = (): void => handshake.abort('client-gone');
    socket.on('error', gone).on('close', gone);
    try {
      const chosen = await this.#choose(host);
      socket.off('error', gone).off('close', gone);
      if (handshake.over) return;
      if (chosen === undefined) handshake.refuse(alerts.unrecognizedName, 'unknown-name');
      else this.#begin(handshake, firstBytes, chosen);
    } catch {
      socket.off('error', gone).off('close', gone);
      // Why is known where it is read.
      if (!handshake.over) handshake.refuse(alerts.internalError, 'certificate-unloadable');
    }
  }

  async #choose(host: string | undefined): Promise<{ host: string; found: HostCertificates } | undefined> {
    for (const candidate of [host, this.#settings.defaultHost]) {
      const found = candidate === undefined ? undefined : await this.#options.certificates.use(candidate);
      if (candidate !== undefined && found !== undefined) return { host: candidate, found };
    }
    return undefined;
  }

  #begin(handshake: Handshake, firstBytes: Buffer, chosen: { host: string; found: HostCertificates }): void {
    const policy = this.#policies.of(chosen.host);
    const certificates = select(chosen.found, handshake.hello);
    const context = policy.unusable ?? this.#contexts.of(policy, certificates);
    if (handshake.socket.destroyed) {
      handshake.abort('client-gone');
      return;
    }
    if (typeof context === 'string' || context instanceof Error) {
      this.#warnUnusable(chosen.host, typeof context === 'string' ? context : context.message);
      handshake.refuse(alerts.internalError, 'policy-unusable');
      return;
    }
    handshake.begin(firstBytes, { policy, context, certificates });
  }

  /** Builds the context that its first name will ask for; for other names and policies it is built when they do. */
  #prepare(loaded: InUse): void {
    const policy = this.#policies.of(loaded.names[0] ?? '');
    const context = policy.unusable ?? this.#contexts.of(policy, [loaded]);
    // Whose fault it is: a policy that nobody can be served under is no reason to refuse a certificate.
    if (typeof context === 'string' || context instanceof Error) loadContext(loaded);
  }

  #warnUnusable(host: string, reason: string): void {
    this.#options.onWarning('A TLS policy cannot be put in effect; clients of its hosts are refused.', {
      host,
      reason,
    });
  }
}
