/** Addresses a terminator listens on, as something on this machine can connect to. */
import { isIPv6 } from 'node:net';

export interface Connectable {
  readonly host: string;
  readonly port: number;
}

const pattern = /^(?:(https?)(?::\/\/|\s+))?(\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):(\d{1,5})\/?$/;

/** Undefined for plain http and for what is no address. `0.0.0.0` and `::` become loopback. */
export function connectable(listening: string): Connectable | undefined {
  const match = pattern.exec(listening);
  if (match === null || match[1] === 'http') return undefined;
  const host = (match[2] ?? '').replace(/^\[|\]$/g, '');
  const port = Number(match[3]);
  if (port === 0 || port > 65_535) return undefined;
  if (host === '0.0.0.0') return { host: '127.0.0.1', port };
  if (isIPv6(host) && /^[0:]+$/.test(host)) return { host: '::1', port };
  return { host, port };
}
