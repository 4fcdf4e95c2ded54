import type { BackendFailure } from '../upstream/backend.ts';
import type { Connection, Inbound } from './exchange.ts';

/** What became of one request, for metrics and the access log. References, not copies: valid while the callback runs. */
export interface ExchangeRecord {
  readonly connection: Connection;
  readonly method: string;
  /** As the client wrote it, port included; `host` without. */
  readonly authority: string;
  readonly host: string;
  /** As the client wrote it, query included. */
  readonly target: string;
  readonly version: Inbound['version'];
  /** Of the request, as sent: name, value, … */
  readonly headers: readonly string[];
  /** The status sent; 0 when none was. */
  readonly status: number;
  /** Of the request body, as far as it was passed on. */
  readonly bytesIn: number;
  /** Of the response body, or what a tunnel carried to the client. */
  readonly bytesOut: number;
  /** The answer went out whole. */
  readonly complete: boolean;
  /** From the request head to the end of the exchange. */
  readonly durationMs: number;
  /** From the request head to the first byte of the backend's answer; absent: none came. */
  readonly backendMs: number | undefined;
  /** Name of the route; absent: none was found, or the request was led to https. */
  readonly route: string | undefined;
  /** Name of the backend, where the request was to go to one. */
  readonly backend: string | undefined;
  /** The endpoint that answered, or was tried last. */
  readonly endpoint: string | undefined;
  readonly failure: BackendFailure | undefined;
  /** W3C trace context: the id in `traceparent`, 32 hexadecimal digits. */
  readonly traceId: string | undefined;
}

/** The trace id of a `traceparent` (https://www.w3.org/TR/trace-context/ §3.2); undefined when it is malformed or all zero. */
export function traceIdOf(traceparent: string | undefined): string | undefined {
  if (traceparent === undefined) return undefined;
  const [, id] =
    /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:$|-)/.exec(traceparent) ?? [];
  return id;
}
