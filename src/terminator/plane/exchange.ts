/** One request and its answer as the proxy sees them, whatever HTTP version the client speaks. */
import type { Readable } from 'node:stream';

export interface Inbound {
  readonly method: string;
  /** Origin-form, or `*`. */
  readonly target: string;
  /** As the client wrote it, port included. */
  readonly authority: string;
  /** Host of the authority, lower-case, without port. */
  readonly host: string;
  /** Name, value, …; HTTP/2 pseudo-headers left out. */
  readonly headers: readonly string[];
  readonly protocol: 'https' | 'http';
  readonly clientAddress: string;
  /** Names of the certificate this connection uses; absent without TLS, or where a TLS 1.2 session was resumed. */
  readonly certificateNames?: readonly string[] | undefined;
  readonly bodyKind: 'none' | 'length' | 'chunked';
  readonly body: Readable;
  /** Trailers of the request, complete when `body` has ended. */
  trailers(): readonly string[];
}

/** Where the answer goes. After `end` or `cut` nothing else is called. */
export interface Outbound {
  /** Calls back at most once, when the client is gone before the answer is complete. */
  onGone(listener: () => void): void;
  onDrain(listener: () => void): void;
  /** 1xx. */
  inform(status: number, headers: readonly string[]): void;
  /** `closing`: the rest of the request will not be read, so an HTTP/1.1 connection ends with this answer. */
  head(status: number, reason: string, headers: readonly string[], closing: boolean): void;
  /** False: wait for drain before writing more. */
  write(chunk: Buffer): boolean;
  end(trailers: readonly string[]): void;
  /** The answer cannot be completed: the client sees it cut short, never as complete. */
  cut(): void;
  /** The request is complete: as long as the client reads its answer, silence is not its fault. */
  received(): void;
}

/** A short plain answer of our own. */
export function answer(outbound: Outbound, status: number, text: string, headers: readonly string[] = []): void {
  const body = Buffer.from(text);
  const own = ['content-type', 'text/plain; charset=utf-8', 'content-length', String(body.length), ...headers];
  outbound.head(status, '', own, false);
  if (body.length > 0) outbound.write(body);
  outbound.end([]);
}
