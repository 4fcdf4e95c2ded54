/** What the terminator is told to do. Travels in the feed as one `settings` item, so it is plain data. */
import type { Backend } from './backend.ts';
import type { Route } from './route.ts';
import type { TlsPolicy } from './tls-policy.ts';

export interface ListenAddress {
  /** `0.0.0.0`, `::` (dual stack), `127.0.0.1`, … */
  readonly host: string;
  readonly port: number;
}

export type SourceSpec =
  | { readonly kind: 'files'; readonly directory: string }
  | {
      readonly kind: 'kubernetesSecrets';
      readonly namespace: string | undefined;
      readonly selector: string | undefined;
    };

/** How a terminator finds the Kubernetes API; absent fields mean in-cluster credentials. */
export interface KubernetesAccess {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
}

export interface TerminatorTimeouts {
  readonly handshakeMs: number;
  /** From accept (or the previous response) to a complete request head. */
  readonly headerMs: number;
  /** Any gap without a byte while a request body is expected. */
  readonly bodyMs: number;
  /** Keep-alive connection without a request. */
  readonly idleMs: number;
  /** A WebSocket or TCP connection without a byte in either direction; 0: as long as both ends like. */
  readonly tunnelIdleMs: number;
  /** After "stop": how long open connections may go on. */
  readonly drainMs: number;
}

/** What clients may use at most; 0 stands for "no limit" where a number may be missing. Counted by each worker. */
export interface TerminatorLimits {
  /** Request line and header section, or an HTTP/2 header list. */
  readonly headerBytes: number;
  readonly headerCount: number;
  /** Request body; 0: no limit. A larger one is answered 413. */
  readonly bodyBytes: number;
  /** Open client connections; further ones wait in the kernel's backlog. 0: no limit. */
  readonly connections: number;
  /** Open connections of one client address (IPv6: of one /64); further ones are closed. 0: no limit. */
  readonly connectionsPerClient: number;
  /** New TLS handshakes per second; further ones are closed. 0: no limit. */
  readonly handshakesPerSecond: number;
  /** After so many, `Connection: close` or GOAWAY. 0: no limit. */
  readonly requestsPerConnection: number;
  /** HTTP/2: concurrent streams of one connection. */
  readonly streamsPerConnection: number;
  /** HTTP/2: streams of one connection that the client may reset within a minute (rapid reset). */
  readonly resetsPerMinute: number;
}

export interface AccessLog {
  readonly format: 'json' | 'combined';
  /** Absolute path, appended to; absent: standard output. */
  readonly file?: string | undefined;
  /** Share of requests written, above 0 and at most 1; answers of 500 and above always are. */
  readonly sample: number;
}

/** What is set for some host names: the certificate bound to them and their TLS policy. */
export interface HostSettings {
  /** Canonical names; exact or one-label wildcard. */
  readonly names: readonly string[];
  /** Id of the one certificate that may serve them; absent: the best that covers them. */
  readonly certificateId?: string | undefined;
  readonly tls?: TlsPolicy | undefined;
}

export interface TerminatorSettings {
  /** Number of worker processes, at least 1. */
  readonly workers: number;
  /** Names or numbers; absent: as the supervisor does. `group` absent: the user's. */
  readonly runAs?: { readonly user: string; readonly group?: string | undefined } | undefined;
  readonly https: readonly ListenAddress[];
  readonly http: readonly ListenAddress[];
  /** Listeners on which trusted proxies send a PROXY protocol header before anything else. */
  readonly proxyProtocol: { readonly https: boolean; readonly http: boolean };
  /** CIDRs whose X-Forwarded-*, Forwarded and PROXY headers are believed. */
  readonly trustedProxies: readonly string[];
  readonly routes: readonly Route[];
  /** By the name that routes use; a backend written inside a route is named by its URL. */
  readonly backends: Readonly<Record<string, Backend>>;
  readonly hosts: readonly HostSettings[];
  /** For hosts without a policy of their own. */
  readonly tls: TlsPolicy;
  readonly sources: readonly SourceSpec[];
  /** Host whose certificate answers clients with an unknown or missing server name; absent: such handshakes are refused. */
  readonly defaultHost?: string | undefined;
  /** File with session ticket keys of a fleet: 48 bytes each in base64, a line each, the first one encrypts. */
  readonly ticketKeysFile?: string | undefined;
  /** Where the terminator serves /metrics, /livez and /readyz. */
  readonly metrics?: ListenAddress | undefined;
  readonly kubernetes?: KubernetesAccess | undefined;
  readonly timeouts: TerminatorTimeouts;
  readonly limits: TerminatorLimits;
  readonly accessLog?: AccessLog | undefined;
  /** When a person last accepted removals (milliseconds since the epoch): a change lets go of what sources lost and is held. */
  readonly acceptShrinkAt?: number | undefined;
}

export const defaultTimeouts: TerminatorTimeouts = {
  handshakeMs: 10_000,
  headerMs: 15_000,
  bodyMs: 60_000,
  idleMs: 75_000,
  tunnelIdleMs: 0,
  drainMs: 30_000,
};

export const defaultLimits: TerminatorLimits = {
  headerBytes: 32_768,
  headerCount: 200,
  bodyBytes: 0,
  connections: 0,
  connectionsPerClient: 0,
  handshakesPerSecond: 0,
  requestsPerConnection: 0,
  streamsPerConnection: 128,
  resetsPerMinute: 200,
};
