/**
 * One request and its answer as the proxy sees them, whatever HTTP version the client speaks. The seam between the
 * HTTP fronts (http1, http2), which make exchanges, and the rest of the proxy, which answers them.
 */
import type { Duplex } from 'node:stream';
import type { Hop } from './hop.ts';

/** A client certificate: verified against the policy's CAs, or (mode `optional`) the reason why not. */
export interface ClientIdentity {
  readonly verified: boolean;
  /** OpenSSL's reason code (`CERT_HAS_EXPIRED`, …); absent when verified. */
  readonly reason?: string | undefined;
  /** RFC 4514 distinguished names. */
  readonly subject: string;
  readonly issuer: string;
  readonly serial: string;
  /** SHA-256 of the certificate, lower-case hex without colons. */
  readonly fingerprint256: string;
  /** DNS, URI and e-mail subject alternative names. */
  readonly names: readonly string[];
  /** DER. */
  readonly certificate: Buffer;
}

/** What is known of a client's connection; one object for all its requests. */
export interface Connection {
  readonly protocol: 'https' | 'http';
  /** The client's, as the PROXY header says it where one is believed; an IPv4 address is never shown as IPv6. */
  readonly address: string;
  readonly port: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** A trusted proxy: its X-Forwarded-* and Forwarded headers are believed. */
  readonly trusted: boolean;
  /** Of its last request; kept here by whoever makes the headers for backends. */
  hop?: Hop | undefined;
  readonly tls?:
    | {
        readonly serverName: string | undefined;
        /** `TLSv1.3`, … */
        readonly version: string;
        readonly cipher: string;
        readonly resumed: boolean;
        /** Names of the certificate in use: a host they do not cover is misdirected (421). */
        readonly certificateNames: readonly string[];
        /** What sessions of this policy have in common; another policy's host is misdirected, too (421). */
        readonly policyId: string;
        /** Absent: none was shown. */
        readonly identity?: ClientIdentity | undefined;
      }
    | undefined;
}

export interface BodySink {
  onData(chunk: Buffer): void;
  /** Trailers: name, value, … */
  onEnd(trailers: readonly string[]): void;
}

/** A request body that has not been read yet. A client that goes away shows in the outbound's `onClose`. */
export interface RequestBody {
  readonly framing: 'length' | 'chunked';
  /** Begins to deliver, possibly at once. Called at most once, and not with `discard`. */
  read(sink: BodySink): void;
  pause(): void;
  resume(): void;
  /** Nobody wants it: what comes is thrown away within bounds, or the connection ends with the answer. */
  discard(): void;
}

export interface Inbound {
  readonly method: string;
  /** Origin-form, or `*`. */
  readonly target: string;
  /** As the client wrote it, port included. */
  readonly authority: string;
  /** Host of the authority, lower-case, without port. */
  readonly host: string;
  /** Name, value, …; HTTP/2 pseudo-headers left out. Framing has been checked: at most one Content-Length, and it is true. */
  readonly headers: readonly string[];
  readonly version: '1.0' | '1.1' | '2';
  readonly connection: Connection;
  /** Absent: no body follows. */
  readonly body: RequestBody | undefined;
  /** The client asks for a tunnel: an HTTP/1.1 upgrade, or an extended CONNECT (RFC 8441), whose `method` reads GET. */
  readonly upgrade: 'websocket' | undefined;
}

export interface Outcome {
  /** The status sent; 0 when none was. */
  readonly status: number;
  /** Of the response body. */
  readonly bytes: number;
  /** The answer went out whole. */
  readonly complete: boolean;
}

/** Where the answer goes. After `end`, `cut` or `tunnel` nothing else is called. */
export interface Outbound {
  /** Called once, when the exchange is over, also when the client goes away or takes too long. Several may listen. */
  onClose(listener: (outcome: Outcome) => void): void;
  onDrain(listener: () => void): void;
  /** 1xx other than 101. */
  inform(status: number, headers: readonly string[]): void;
  /**
   * `headers` with lower- or mixed-case names, without hop-by-hop headers; `content-length` is true where it stands.
   * Date is added where it is missing (RFC 9110 §6.6.1); nothing is written as the body of an answer to HEAD.
   * `closing`: the rest of the request will not be read, so an HTTP/1.1 connection ends with this answer.
   */
  head(status: number, reason: string, headers: readonly string[], closing: boolean): void;
  /**
   * False: wait for drain before writing more. The chunk is the outbound's from here on; it may call `release` once it
   * needs it no more, so that its memory is used again (worth it for large bodies, and no harm where it does not).
   */
  write(chunk: Buffer, release?: () => void): boolean;
  end(trailers: readonly string[]): void;
  /** Nothing more comes in this turn of the event loop: what is held back to be sent together goes out. */
  flush(): void;
  /** Accepts the upgrade (101, or 200 over HTTP/2): the bytes of both directions from here on. */
  tunnel(headers: readonly string[]): Duplex;
  /** The answer cannot be completed: the client sees it cut short, never as complete. */
  cut(): void;
}

/** A short plain answer of our own. */
export function answer(outbound: Outbound, status: number, text: string, headers: readonly string[] = []): void {
  const body = Buffer.from(text);
  const own = ['content-type', 'text/plain; charset=utf-8', 'content-length', String(body.length), ...headers];
  outbound.head(status, '', own, false);
  if (body.length > 0) outbound.write(body);
  outbound.end([]);
  outbound.flush();
}
