/**
 * What node's TLS can do and does not document, in this one place. All of it is what node's own `tls.Server` and
 * `tls.connect` call; a test runs each against the pinned version of node.
 */
import type { Socket } from 'node:net';
import { TLSSocket, type SecureContext } from 'node:tls';

/** `socket.ssl`: the native side of a TLSSocket. */
interface NativeTls {
  receive(bytes: Uint8Array): void;
  setOCSPResponse(response: Uint8Array): void;
  verifyError(): NodeJS.ErrnoException | null;
  hasPeerCertificate(): boolean;
}

interface Internals {
  readonly ssl: NativeTls | null;
  secureConnecting: boolean;
  _releaseControl(): boolean;
}

/**
 * What a ticket is made or read with. 0: no such key; 1: this one; 2: this one, and the client gets a new ticket. The MAC
 * key (SHA-256), the encryption key (AES-128-CBC, 16 bytes), and for a new ticket the key's name and the IV (16 bytes each).
 */
export type TicketKeyAnswer =
  | readonly [result: 0 | 2, mac: Buffer, encryption: Buffer]
  | readonly [result: 1, mac: Buffer, encryption: Buffer, name: Buffer, iv: Buffer];

interface NativeContext {
  onticketkeycallback: (name: Buffer, iv: Buffer, encrypt: boolean) => TicketKeyAnswer;
  enableTicketKeyCallback(): void;
}

export interface ServerTlsOptions {
  readonly context: SecureContext;
  readonly alpn: Buffer | undefined;
  readonly requestCertificate: boolean;
  /** The handshake fails with an alert when the client shows none. */
  readonly requireCertificate: boolean;
}

/**
 * A connection whose first bytes have been read already, as the server's end of TLS. It wraps the native handle, so that
 * nothing passes through the plain socket's streams. Nothing happens before `receive`.
 */
export function wrapServer(socket: Socket, options: ServerTlsOptions): TLSSocket {
  const tls = new TLSSocket(socket, {
    isServer: true,
    secureContext: options.context,
    requestCert: options.requestCertificate,
    rejectUnauthorized: options.requireCertificate,
    ...(options.alpn === undefined ? {} : { ALPNProtocols: options.alpn }),
  });
  // Node's own, for logging keys: it would be asked about every other listener.
  tls.removeAllListeners('newListener');
  return tls;
}

/** Bytes as if they came from the network. They are worked on before this returns; the socket may be destroyed then. */
export function receive(socket: TLSSocket, bytes: Buffer): void {
  (socket as unknown as Internals).ssl?.receive(bytes);
}

/** Sent to a client that asks for it, once. */
export function staple(socket: TLSSocket, response: Buffer): void {
  (socket as unknown as Internals).ssl?.setOCSPResponse(response);
}

/** From here on it is a socket like any other: its errors are emitted. To be called when the handshake is done. */
export function release(socket: TLSSocket): void {
  const internals = socket as unknown as Internals;
  internals.secureConnecting = false;
  internals._releaseControl();
}

/** Why the client certificate does not verify, as OpenSSL names it; `none` when the client has shown none. */
export function clientCertificateError(socket: TLSSocket): string | undefined {
  const { ssl } = socket as unknown as Internals;
  // Without a certificate, a resumed session counts as verified: asked first.
  if (ssl?.hasPeerCertificate() !== true) return 'none';
  return ssl.verifyError()?.code ?? undefined;
}

/** Node itself knows one ticket key and never renews a ticket; `onTicket` decides instead. It must not throw. */
export function decideTickets(context: SecureContext, onTicket: NativeContext['onticketkeycallback']): void {
  const native = context.context as NativeContext;
  native.onticketkeycallback = onTicket;
  native.enableTicketKeyCallback();
}
