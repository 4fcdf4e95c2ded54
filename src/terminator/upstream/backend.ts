/** What the proxy sees of backends: a call for a request, a connection for bytes. Endpoints, retries and protocols are behind it. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** Whose connection it is, for PROXY headers and hashing. */
export interface CallerConnection {
  readonly address: string;
  readonly port: number;
  readonly localAddress: string;
  readonly localPort: number;
}

export interface BackendRequest {
  readonly method: string;
  /** Origin-form, or `*`. */
  readonly target: string;
  /** Goes into Host or :authority. */
  readonly authority: string;
  /** End-to-end headers to send: name, value, … Without Host, hop-by-hop and framing headers, except a true Content-Length. */
  readonly headers: readonly string[];
  readonly body: 'none' | 'length' | 'chunked';
  /** The client understands trailers (`TE: trailers`). */
  readonly trailers: boolean;
  readonly upgrade: 'websocket' | undefined;
  readonly connection: CallerConnection;
}

export interface BackendResponseHead {
  readonly status: number;
  readonly reason: string;
  /** Name, value, … as sent. */
  readonly headers: readonly string[];
  /** HTTP version it came in, for Via; absent: 1.1. */
  readonly version?: '2' | undefined;
}

/** Why a backend gave no (complete) answer. */
export type BackendFailure =
  | 'backend-refused'
  | 'backend-unresolvable'
  | 'backend-forbidden-address'
  | 'backend-connect-timeout'
  | 'backend-tls'
  | 'backend-reset'
  | 'backend-closed'
  | 'backend-timeout'
  | 'backend-bad-answer'
  /** No endpoint is healthy, or the one chosen takes no WebSockets over HTTP/2. */
  | 'backend-unavailable'
  /** The circuit breaker's limit is reached. */
  | 'backend-overloaded';

export interface BackendEvents {
  /** The head is sent: the body may be written. Once. */
  onReady(): void;
  onDrain(): void;
  onInformational(head: BackendResponseHead): void;
  onHead(head: BackendResponseHead): void;
  /**
   * The chunk is the receiver's. `release` says that it is not needed any more, so that its memory is read into again:
   * worth it for large bodies, and no harm where it is never called.
   */
  onData(chunk: Buffer, release?: () => void): void;
  /** Nothing more comes in this turn of the event loop. */
  onTurn(): void;
  onEnd(trailers: readonly string[]): void;
  /** Instead of `onHead` where an upgrade was asked for and granted. The receiver owns the stream, which is paused. */
  onUpgrade(head: BackendResponseHead, stream: Duplex): void;
  /** Instead of `onEnd`, once. `headSeen`: `onHead` was called before. */
  onFailure(failure: BackendFailure, detail: string, headSeen: boolean): void;
}

export interface BackendCall {
  /** `10.0.0.2:80`, once one has been chosen. */
  readonly endpoint: string | undefined;
  /** Events come from here on, some of them possibly before it returns. */
  start(): void;
  /** False: wait for `onDrain` before writing more. `release`, where given, is called once the chunk's memory is free again, or never. */
  write(chunk: Buffer, release?: () => void): boolean;
  /** The request body is complete. */
  finish(trailers: readonly string[]): void;
  pause(): void;
  resume(): void;
  /** The client has gone. No event follows. */
  abort(): void;
}

export interface ConnectEvents {
  /** The receiver owns the socket from here; a PROXY header, where configured, has been written. */
  onConnected(socket: Socket, endpoint: string): void;
  onFailure(failure: BackendFailure, detail: string): void;
}

/** All backends of a worker, by name. An unknown name is a programming error and throws. */
export interface Backends {
  call(backend: string, request: BackendRequest, events: BackendEvents): BackendCall;
  /** Plain bytes (tcp, passthrough). Aborting after `onConnected` does nothing. */
  connect(backend: string, connection: CallerConnection, events: ConnectEvents): { abort(): void };
}
