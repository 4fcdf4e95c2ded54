/** One handshake, from the ClientHello to a connection that can be served. */
import type { Socket } from 'node:net';
import type { SecureContext, TLSSocket } from 'node:tls';
import type { ClientHello } from '../accept/client-hello.ts';
import type { ClientIdentity, Connection } from '../proxy/exchange.ts';
import type { InUse } from './certificates.ts';
import { certificateFailureOf, failureOf, type HandshakeFailure } from './failure.ts';
import { chainTooLong, readIdentity } from './identity.ts';
import { receive, release, staple, wrapServer } from './node-tls.ts';
import type { ActivePolicy, ClientTrust } from './policy.ts';
import { commonNames } from './selection.ts';

/** What is known of a connection's TLS. */
export type ConnectionTls = NonNullable<Connection['tls']>;

/** What a handshake is given to work with. */
export interface HandshakeParts {
  readonly policy: ActivePolicy;
  readonly context: SecureContext;
  /** Those in the context. */
  readonly certificates: readonly [InUse, InUse?];
}

/** Where a handshake tells how it went: exactly one of them, once. */
export interface HandshakeEnd {
  secured(handshake: Handshake, socket: TLSSocket, tls: ConnectionTls): void;
  /** `detail`: what the TLS library calls it, where there is more to say. */
  failed(handshake: Handshake, reason: HandshakeFailure, detail?: string): void;
}

/** Listeners are shared by all sockets; this is where they find theirs. */
const underWay = new WeakMap<TLSSocket, Handshake>();

export class Handshake {
  readonly socket: Socket;
  readonly hello: ClientHello;
  /** Whatever the caller wants to have back with the connection. */
  readonly peer: unknown;
  readonly #end: HandshakeEnd;
  #tls: TLSSocket | undefined;
  #parts: HandshakeParts | undefined;
  #over = false;

  constructor(socket: Socket, hello: ClientHello, peer: unknown, end: HandshakeEnd) {
    this.socket = socket;
    this.hello = hello;
    this.peer = peer;
    this.#end = end;
  }

  /** `firstBytes`: all that has been read from the socket, the whole ClientHello included. */
  begin(firstBytes: Buffer, parts: HandshakeParts): void {
    const { policy, context, certificates } = parts;
    const tls = wrapServer(this.socket, {
      context,
      alpn: policy.alpn,
      requestCertificate: policy.client !== undefined,
      requireCertificate: policy.client?.mode === 'require',
    });
    const [first, second] = certificates;
    // Of two, it is not known yet which one the client gets.
    if (second === undefined && first.staple !== undefined && policy.tls.ocspStapling) staple(tls, first.staple);
    this.#tls = tls;
    this.#parts = parts;
    underWay.set(tls, this);
    tls.on('secure', onSecure);
    tls.on('error', onError);
    if (tls.allowHalfOpen) tls.on('end', onGone);
    tls.on('close', onGone);
    receive(tls, firstBytes);
  }

  /** The deadline has passed, or it is not wanted any more. */
  abort(reason: HandshakeFailure, detail?: string): void {
    this.fail(reason, detail);
    (this.#tls ?? this.socket).destroy();
  }

  /** Before `begin`: the alert goes out in plain. */
  refuse(alert: Buffer, reason: HandshakeFailure): void {
    this.fail(reason);
    const { socket } = this;
    socket.on('error', destroy);
    socket.end(alert);
    socket.destroySoon();
  }

  get over(): boolean {
    return this.#over;
  }

  /** Tells so, unless it is over already. */
  fail(reason: HandshakeFailure, detail?: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#end.failed(this, reason, detail);
  }

  /** The TLS library has done its part. */
  complete(tls: TLSSocket): void {
    const parts = this.#parts;
    if (this.#over || parts === undefined || tls.destroyed) return;
    const { policy, certificates } = parts;
    const identity = policy.client && identify(tls, policy.client);
    const refused = policy.client && against(identity, policy.client.mode);
    if (refused !== undefined) {
      // At once: what the TLS library has ready to send (its Finished, session tickets) must not leave.
      this.abort(refused, typeof identity === 'object' ? identity.reason : undefined);
      return;
    }
    this.#over = true;
    underWay.delete(tls);
    tls.off('secure', onSecure);
    tls.off('error', onError);
    if (tls.allowHalfOpen) tls.off('end', onGone);
    tls.off('close', onGone);
    release(tls);
    tls.on('error', destroy); // before anyone else listens, and when nobody does any more
    this.#end.secured(this, tls, {
      serverName: this.hello.serverName,
      version: tls.getProtocol() ?? '',
      cipher: tls.getCipher().name,
      resumed: tls.isSessionReused(),
      certificateNames: commonNames(certificates),
      policyId: policy.id,
      ...(typeof identity === 'object' ? { identity } : {}),
    });
  }
}

/** `unreadable`: a certificate of a kind that nobody issues; whoever may show any must not be able to end a worker. */
function identify(tls: TLSSocket, trust: ClientTrust): ClientIdentity | 'none' | 'unreadable' {
  try {
    return readIdentity(tls, trust);
  } catch {
    return 'unreadable';
  }
}

/** Why this client may not come in. A chain that is too long is refused in both modes: its length would be forgotten when the session is resumed. */
function against(
  identity: ReturnType<typeof identify> | undefined,
  mode: 'require' | 'optional',
): HandshakeFailure | undefined {
  if (identity === undefined || identity === 'none')
    return mode === 'require' ? 'client-certificate-missing' : undefined;
  if (identity === 'unreadable') return 'client-certificate-invalid';
  const { reason } = identity;
  if (reason === undefined || (mode === 'optional' && reason !== chainTooLong)) return undefined;
  return reason === 'SUBJECT_NOT_ALLOWED' ? 'client-certificate-subject' : certificateFailureOf(reason);
}

function onSecure(this: TLSSocket): void {
  underWay.get(this)?.complete(this);
}

function onError(this: TLSSocket, error: NodeJS.ErrnoException): void {
  underWay.get(this)?.fail(failureOf(error));
  this.destroy();
}

/** The client has closed its side, or all of it. */
function onGone(this: TLSSocket): void {
  underWay.get(this)?.fail('client-gone');
  this.destroy();
}

function destroy(this: Socket): void {
  this.destroy();
}
