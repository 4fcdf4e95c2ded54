/** What the terminator is told to do: listeners, sources and routes. Travels in the feed as one `settings` item. */

export interface ListenAddress {
  /** `0.0.0.0`, `::` (dual stack), `127.0.0.1`, … */
  readonly host: string;
  readonly port: number;
}

export type RouteAction =
  | { readonly kind: 'proxy'; readonly origin: string }
  | {
      readonly kind: 'respond';
      readonly status: number;
      readonly body: string;
      readonly headers: Readonly<Record<string, string>>;
    };

export interface Route {
  /** Canonical names; exact or one-label wildcard. */
  readonly hosts: readonly string[];
  /** Prefix by path element; `/` matches everything. The longest wins. */
  readonly path: string;
  readonly action: RouteAction;
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
  /** Keep-alive connection without a request. */
  readonly idleMs: number;
  /** Backend: connect, and any gap without a byte. */
  readonly backendConnectMs: number;
  readonly backendIdleMs: number;
  /** After "stop": how long open connections may go on. */
  readonly drainMs: number;
}

export interface TerminatorSettings {
  /** Number of worker processes, at least 1. */
  readonly workers: number;
  readonly https: readonly ListenAddress[];
  readonly http: readonly ListenAddress[];
  readonly routes: readonly Route[];
  readonly sources: readonly SourceSpec[];
  /** Host whose certificate answers clients with an unknown or missing server name; absent: such handshakes are refused. */
  readonly defaultHost?: string | undefined;
  /** Where the terminator serves /metrics, /livez and /readyz. */
  readonly metrics?: ListenAddress | undefined;
  readonly kubernetes?: KubernetesAccess | undefined;
  readonly timeouts: TerminatorTimeouts;
  /** When a person last accepted removals (milliseconds since the epoch): a change lets go of what sources lost and is held. */
  readonly acceptShrinkAt?: number | undefined;
}

export const defaultTimeouts: TerminatorTimeouts = {
  handshakeMs: 10_000,
  headerMs: 15_000,
  idleMs: 75_000,
  backendConnectMs: 5_000,
  backendIdleMs: 60_000,
  drainMs: 30_000,
};
