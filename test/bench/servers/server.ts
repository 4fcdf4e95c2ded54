/** A server under test, whoever made it. */
import type { Leaf } from '../fixtures/certificates.ts';

export interface Server extends AsyncDisposable {
  /** As tables call it. */
  readonly name: string;
  readonly port: number;
  /** `monotonicMs()` when it was last started. */
  readonly spawnedAt: number;
  /** All its processes. */
  pids(): readonly number[];
  /** Those of them that hold connections. */
  workers(): readonly number[];
}

export interface ServerOptions {
  /** Port of the backend on 127.0.0.1. */
  readonly backend: number;
  readonly leaves: readonly Leaf[];
  /** The leaves' key. */
  readonly keyPem: string;
  readonly cpus: string;
  /** What it does with the bytes inside TLS; `http` by default. */
  readonly speaks?: 'http' | 'tcp';
  readonly workers?: number;
  readonly readyTimeoutMs?: number;
}

/** As long as any benchmark leaves a connection alone. */
export const idleSeconds = 900;
/** More than any of them opens, and no more files than a process may commonly have. */
export const mostConnections = 12_000;
