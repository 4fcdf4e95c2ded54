/** One request, or one tunnel, as a line of the access log. */
import type { ExchangeRecord } from '../proxy/record.ts';
import type { TunnelFailure, TunnelSummary } from '../tcp/tcp-front.ts';

/** A path or agent longer than this is cut. */
const longest = 2_000;

/** `at`: milliseconds since the epoch, when the request began. */
export function jsonLine(record: ExchangeRecord, at: number): string {
  const { connection, headers } = record;
  return `${JSON.stringify({
    time: new Date(at).toISOString(),
    client: connection.address,
    protocol: connection.protocol,
    http: record.version,
    tls: connection.tls?.version,
    method: record.method,
    host: record.host,
    path: cut(record.target),
    status: record.status,
    complete: record.complete ? undefined : false,
    bytesIn: record.bytesIn,
    bytesOut: record.bytesOut,
    durationMs: round(record.durationMs),
    backendMs: record.backendMs === undefined ? undefined : round(record.backendMs),
    route: record.route,
    backend: record.backend,
    endpoint: record.endpoint,
    failure: record.failure,
    clientSubject: connection.tls?.identity?.subject,
    referer: cut(valueOf(headers, 'referer')),
    userAgent: cut(valueOf(headers, 'user-agent')),
    traceId: record.traceId,
  })}\n`;
}

/** `at`: when the connection was on its way to its backend. */
export function tunnelLine(tunnel: TunnelSummary | TunnelFailure, at: number): string {
  const { client, kind, host, backend, durationMs } = tunnel;
  const outcome =
    'failure' in tunnel
      ? { failure: tunnel.failure }
      : {
          bytesIn: tunnel.receivedBytes,
          bytesOut: tunnel.sentBytes,
          endpoint: tunnel.endpoint,
          end: tunnel.reason,
        };
  return `${JSON.stringify({
    time: new Date(at).toISOString(),
    client: client.address,
    protocol: kind,
    tls: client.tls?.version,
    host,
    durationMs: round(durationMs),
    backend,
    ...outcome,
    clientSubject: client.tls?.identity?.subject,
  })}\n`;
}

/** Apache's combined log format; what could end a field early is escaped as Apache does. */
export function combinedLine(record: ExchangeRecord, at: number): string {
  const { connection, headers, method, target, version, status, bytesOut } = record;
  const request = `${method} ${cut(target)} HTTP/${version === '2' ? '2.0' : version}`;
  const quoted = (value: string | undefined): string =>
    `"${value === undefined ? '-' : escaped(cut(value) as string)}"`;
  return (
    `${connection.address} - - [${clfTime(at)}] ${quoted(request)} ${status} ${bytesOut === 0 ? '-' : bytesOut} ` +
    `${quoted(valueOf(headers, 'referer'))} ${quoted(valueOf(headers, 'user-agent'))}\n`
  );
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `22/Nov/2026:08:15:30 +0000` */
function clfTime(at: number): string {
  const date = new Date(at);
  const iso = date.toISOString();
  return `${iso.slice(8, 10)}/${months[date.getUTCMonth()]}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`;
}

function escaped(value: string): string {
  return value.replace(
    // eslint-disable-next-line no-control-regex -- control characters are what it looks for
    /["\\\x00-\x1f\x7f-\xff]/g,
    (char) => (char === '"' || char === '\\' ? `\\${char}` : `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`),
  );
}

function cut(value: string | undefined): string | undefined {
  return value === undefined || value.length <= longest ? value : `${value.slice(0, longest)}…`;
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}

function valueOf(headers: readonly string[], name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    const candidate = headers[i] as string;
    if (candidate.length === name.length && candidate.toLowerCase() === name) return headers[i + 1];
  }
  return undefined;
}
