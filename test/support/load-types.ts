export type LoadMode = 'keepalive' | 'new' | 'h2' | 'websocket';

/** What the load client is told, as JSON in its first argument. */
export interface LoadOptions {
  mode: LoadMode;
  /** Where to connect. */
  host?: string;
  port: number;
  /** PEM that servers are verified against; verification is never off. */
  caPem?: string;
  /** Names used in turn as SNI and Host. */
  servernames: readonly string[];
  /** Requests or WebSocket messages to send; without it, until told to stop. */
  total?: number;
  /** Lanes that work at the same time. */
  concurrency?: number;
  /** h2: connections the lanes share. */
  connections?: number;
  /** keepalive, h2: closes a connection after this many requests and opens another. */
  requestsPerConnection?: number;
  /** new: offers the latest session that it has for a name, as browsers do; sessions are the process's. */
  resume?: boolean;
  /** new: speaks this version only. */
  tlsVersion?: 'TLSv1.2' | 'TLSv1.3';
  /** Pause of each lane between two requests. */
  pauseMs?: number;
  path?: string;
  /** Sends a POST with a body of this size instead of a GET. */
  bodyBytes?: number;
  /** `echo` (default): the answer must be what test/support/backend.ts says about exactly this request. */
  verify?: 'echo' | { status: number; bodyIncludes?: string };
  /** h2: sends a request again, on another connection, when the server says that it has not processed it. */
  repeatRefused?: boolean;
  requestTimeoutMs?: number;
  /** Hard end, so that it cannot run on if its starter is gone. */
  maxMs?: number;
  /** Keeps `[startedMs, servername, serial]` of every handshake for the summary. */
  recordHandshakes?: boolean;
}

export interface LoadFailure {
  type: 'failure';
  /** When the request was begun, and when it failed; see `monotonicMs`. */
  startedMs: number;
  atMs: number;
  mode: LoadMode;
  servername: string;
  request: number;
  phase: 'connect' | 'request' | 'verify';
  code: string;
  message: string;
  /** Requests that this connection had carried before. */
  carried: number;
}

export interface LoadProgress {
  type: 'progress';
  done: number;
}

export interface LoadSummary {
  type: 'summary';
  mode: LoadMode;
  requests: number;
  ok: number;
  failures: number;
  handshakes: number;
  /** servername -> serial of the certificate -> handshakes that saw it. */
  serials: Record<string, Record<string, number>>;
  elapsedMs: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
  handshakeLog: [startedMs: number, servername: string, serial: string][];
  /** Of every session that was offered: the certificate of the handshake that it comes from, and whether it was taken. */
  resumptions: Resumption[];
}

export type Resumption = [startedMs: number, servername: string, serial: string, resumed: boolean];

export type LoadEvent = LoadFailure | LoadProgress | LoadSummary;

/** One sequence of requests; `send` rejects when one is not answered as it should be. */
export interface Lane {
  send(request: number, servername: string): Promise<void>;
  close(): Promise<void>;
}

export interface LoadContext {
  readonly options: LoadOptions;
  /** Records a finished handshake. */
  handshake(startedMs: number, servername: string, serial: string): void;
  resumption(...resumption: Resumption): void;
}

/** Milliseconds on a clock that all processes of this machine share and that never jumps. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
