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

interface NativeContext {
  setTicketKeys(keys: Uint8Array): void;
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
  return new TLSSocket(socket, {
    isServer: true,
    secureContext: options.context,
    requestCert: options.requestCertificate,
    rejectUnauthorized: options.requireCertificate,
    ...(options.alpn === undefined ? {} : { ALPNProtocols: options.alpn }),
  });
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

/** Takes effect with the next ticket that the context reads or writes. */
export function setTicketKeys(context: SecureContext, keys: Buffer): void {
  (context.context as NativeContext).setTicketKeys(keys);
}
