/** Where requests are sent: endpoints, how one is chosen, and how it is spoken to. */

export type EndpointAddress =
  /** A name is resolved again and again; each of its addresses is an endpoint. */
  { readonly host: string; readonly port: number } | { readonly unixPath: string };

export type Endpoint = EndpointAddress & {
  /** Share of the requests, 0 (none) to 1000. */
  readonly weight: number;
};

export type Balance =
  | { readonly kind: 'round-robin' }
  | { readonly kind: 'least-connections' }
  /** Consistent: when endpoints come or go, only their share moves. `name` is the header's or cookie's. */
  | { readonly kind: 'hash'; readonly key: 'client-address' | 'path' }
  | { readonly kind: 'hash'; readonly key: 'header' | 'cookie'; readonly name: string };

export interface BackendTls {
  /** False: any certificate is taken, which is shown as a problem. */
  readonly verify: boolean;
  /** PEM files of the trusted CAs, absolute; empty: the system's. */
  readonly caFiles: readonly string[];
  /** SNI and verified name; absent: the endpoint's host (none for an IP address, which is verified as such). */
  readonly serverName?: string | undefined;
  /** Id of our certificate that is shown to the backend (mTLS); its present version is used for each new connection. */
  readonly clientCertificateId?: string | undefined;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
}

export interface ActiveHealth {
  /** Absent: connecting (with TLS where configured) is enough. */
  readonly path?: string | undefined;
  readonly host?: string | undefined;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Checks in a row that turn an endpoint healthy, or not. */
  readonly healthyAfter: number;
  readonly unhealthyAfter: number;
  /** Statuses that count as healthy, inclusive. */
  readonly status: readonly [from: number, to: number];
}

export interface PassiveHealth {
  /** So many failed requests in a row (no or a broken answer, or 502, 503, 504) take an endpoint out… */
  readonly failures: number;
  /** …for this long; then one request tries it. 0 failures: off. */
  readonly ejectMs: number;
}

export interface Backend {
  readonly endpoints: readonly Endpoint[];
  /** `http2` without TLS is h2c with prior knowledge (RFC 9113 §3.3); `tcp` for tcp and passthrough routes. */
  readonly protocol: 'http1' | 'http2' | 'tcp';
  readonly tls?: BackendTls | undefined;
  readonly balance: Balance;
  readonly activeHealth?: ActiveHealth | undefined;
  readonly passiveHealth: PassiveHealth;
  /** An endpoint that has become healthy gets its share step by step within this time. 0: at once. */
  readonly slowStartMs: number;
  /** Attempts on other endpoints for requests that may be repeated and have not been answered. */
  readonly retries: number;
  /** Circuit breaker, per worker: what exceeds it is answered 503 at once. 0: no limit. */
  readonly maxRequests: number;
  /** Per worker and endpoint; what exceeds it waits for a free one, at most `connectMs`. 0: no limit. */
  readonly maxConnections: number;
  readonly timeouts: {
    readonly connectMs: number;
    /** From the whole request sent to the response's first byte; 0: `idleMs` alone. */
    readonly firstByteMs: number;
    /** Any gap without a byte while one is expected. */
    readonly idleMs: number;
  };
  /** Idle connections kept per endpoint. */
  readonly maxIdle: number;
  /** PROXY protocol header sent on each new connection; such connections serve one client alone. */
  readonly proxyProtocol?: 'v1' | 'v2' | undefined;
}

export const backendDefaults = {
  protocol: 'http1',
  balance: { kind: 'round-robin' },
  passiveHealth: { failures: 5, ejectMs: 10_000 },
  slowStartMs: 0,
  retries: 1,
  maxRequests: 0,
  maxConnections: 0,
  timeouts: { connectMs: 5_000, firstByteMs: 0, idleMs: 60_000 },
  maxIdle: 256,
} as const satisfies Omit<Backend, 'endpoints'>;
