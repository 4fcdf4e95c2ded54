/** Addresses to listen on: `127.0.0.1:8443`, `:80`, `[::1]:443`, `0.0.0.0:8443`, `8443`. A missing host is `::`, both families. */
import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import { formatAddress, isLoopback } from '../../core/listen-address.ts';
import type { ListenAddress } from '../../core/terminator.ts';
import { describeValue, type Parsed, type Parser } from './parsed.ts';

export const listen: Parser<ListenAddress> = (value) => {
  const text = typeof value === 'number' ? String(value) : typeof value === 'string' ? value.trim() : undefined;
  if (text === undefined || text.length > 100) return { problem: notAnAddress(value) };
  const bracketed = /^\[([^\]]+)\](?::(.*))?$/.exec(text);
  if (bracketed !== null) {
    const [, host = '', port] = bracketed;
    return isIPv6(host) ? withPort(canonicalIPv6(host), port, `[${host}]`) : { problem: notAnAddress(value) };
  }
  if (isIPv4(text)) return { problem: `The address ${text} has no port; write ${text}:8443.` };
  if (isIPv6(text)) {
    const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(text) ?? [];
    const instead = isIPv6(host) ? `[${host}]:${port}` : `[${text}]:8443`;
    return { problem: `An IPv6 address stands in brackets with its port behind; write "${instead}".` };
  }
  if (/^\d+$/.test(text)) return withPort('::', text, '');
  const [, host = '', port = ''] = /^(.*):([^:]*)$/.exec(text) ?? [];
  if (host === '' && port !== '') return withPort('::', port, '');
  if (host === '*') return withPort('::', port, '');
  if (host === 'localhost') return withPort('127.0.0.1', port, '127.0.0.1');
  if (isIPv4(host)) return withPort(host, port, host);
  if (isIPv6(host)) return { problem: `An IPv6 address stands in brackets; write "[${host}]:${port}".` };
  if (/^[a-z][a-z0-9.-]*$/i.test(host) && /^\d+$/.test(port)) {
    return {
      problem: `${describeValue(value)} names a host; write an IP address of this machine, 127.0.0.1:${port}, or :${port} for all of them.`,
    };
  }
  return { problem: notAnAddress(value) };
};

/** One address or a list of them. */
const listenList: Parser<readonly ListenAddress[]> = (value) => {
  if (!Array.isArray(value)) {
    const one = listen(value);
    return 'problem' in one ? one : { value: [one.value] };
  }
  if (value.length === 0) return { problem: 'The list of addresses is empty; write at least one, for example ":443".' };
  if (value.length > 64) return { problem: 'More than 64 addresses are listed; write fewer.' };
  const all: ListenAddress[] = [];
  for (const one of value as readonly unknown[]) {
    const parsed = listen(one);
    if ('problem' in parsed) return parsed;
    all.push(parsed.value);
  }
  return { value: all };
};

/** A listen address, or `false` for none. */
export const listenOrOff: Parser<ListenAddress | false> = (value) => (value === false ? { value } : listen(value));
export const listenListOrOff: Parser<readonly ListenAddress[]> = (value) =>
  value === false ? { value: [] } : listenList(value);

/** Only this machine: the admin page has no TLS of its own. */
export const loopbackListen: Parser<ListenAddress> = (value) => {
  const parsed = listen(value);
  if ('problem' in parsed || isLoopback(parsed.value.host)) return parsed;
  return {
    problem:
      `The admin page has no TLS of its own, and ${formatAddress(parsed.value)} can be reached from other machines, which is refused ` +
      `(access.insecure-listen); write 127.0.0.1:${parsed.value.port}, and a name in admin.hosts to reach it over HTTPS through the terminator.`,
  };
};

/** Whether both cannot be open at the same time. Port 0 is any free one. */
export function collide(a: ListenAddress, b: ListenAddress): boolean {
  if (a.port !== b.port || a.port === 0) return false;
  if (a.host === b.host || a.host === '::' || b.host === '::') return true;
  return (a.host === '0.0.0.0' && isIPv4(b.host)) || (b.host === '0.0.0.0' && isIPv4(a.host));
}

function withPort(host: string, port: string | undefined, shown: string): Parsed<ListenAddress> {
  if (port === undefined) return { problem: `The address ${shown} has no port; write "${shown}:8443".` };
  const number = /^\d{1,5}$/.test(port) ? Number(port) : NaN;
  if (number <= 65_535) return { value: { host, port: number } };
  return {
    problem: `${describeValue(port)} is not a port; write a number from 1 to 65535, for example ${shown}:8443.`,
  };
}

function canonicalIPv6(host: string): string {
  return host.includes('%') ? host : new SocketAddress({ address: host, family: 'ipv6' }).address;
}

function notAnAddress(value: unknown): string {
  return `${describeValue(value)} is not an address to listen on; write 127.0.0.1:8443, "[::1]:8443" or :8443.`;
}
