/** Where a backend is: `http://10.0.0.2:8080`, `https://…`, `h2c://…`, `h2://…`, `tcp://…`, `10.0.0.2:80`, `unix:/run/app.sock`. */
import { isIP } from 'node:net';
import type { Backend, EndpointAddress } from '../../core/backend.ts';
import { normaliseName } from '../../core/names.ts';
import { describeValue, type Parsed, type Parser } from './parsed.ts';

interface SchemeMeaning {
  /** Absent: HTTP/1.1 unless the backend says otherwise. */
  readonly protocol: Backend['protocol'] | undefined;
  /** Absent: as the backend says. */
  readonly tls: boolean | undefined;
  readonly port: number | undefined;
}

export const schemes = {
  http: { protocol: undefined, tls: false, port: 80 },
  https: { protocol: undefined, tls: true, port: 443 },
  h2c: { protocol: 'http2', tls: false, port: 80 },
  h2: { protocol: 'http2', tls: true, port: 443 },
  tcp: { protocol: 'tcp', tls: undefined, port: undefined },
} as const satisfies Record<string, SchemeMeaning>;

export type Scheme = keyof typeof schemes;

export interface WrittenEndpoint {
  readonly address: EndpointAddress;
  /** Absent where only an address stands. */
  readonly scheme: Scheme | undefined;
  /** The same address always reads the same. */
  readonly text: string;
}

const example = 'http://127.0.0.1:3000';
const known = 'http, https, h2c, h2 and tcp';

/** A URL. Credentials in it are never repeated. */
export const backendUrl: Parser<WrittenEndpoint> = (value) => {
  const parsed = endpoint(value);
  if ('problem' in parsed || parsed.value.scheme !== undefined || 'unixPath' in parsed.value.address) return parsed;
  return { problem: `A backend is a URL with http:// in front; write http://${parsed.value.text}.` };
};

/** A URL, or an address with its port. */
export const endpoint: Parser<WrittenEndpoint> = (value) => {
  if (typeof value === 'number') return { problem: `A backend is a URL; write http://127.0.0.1:${value}.` };
  if (typeof value !== 'string')
    return { problem: `A backend is a URL, not ${describeValue(value)}; write ${example}.` };
  const written = value.trim();
  if (written.length > 300) return { problem: `A backend URL has at most 300 characters; write ${example}.` };
  if (/^(?:http\+)?unix:/i.test(written)) return unix(written.replace(/^(?:http\+)?unix:/i, ''));
  const [, before, rest = ''] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/is.exec(written) ?? [];
  const name = before?.toLowerCase();
  const scheme = Object.keys(schemes).find((one): one is Scheme => one === name);
  const url = URL.parse(`http://${rest}`);
  if (url === null || url.host === '') return { problem: `${shown(written)} is not a backend; write ${example}.` };
  if (url.username !== '' || url.password !== '') {
    return { problem: `A backend URL cannot carry credentials; write ${name ?? 'http'}://${url.host}.` };
  }
  if (name !== undefined && scheme === undefined) return { problem: unknownScheme(name, url.host) };
  return located(scheme, url, { rest, written });
};

function located(
  scheme: Scheme | undefined,
  url: URL,
  { rest, written }: { rest: string; written: string },
): Parsed<WrittenEndpoint> {
  const prefix = scheme === undefined ? '' : `${scheme}://`;
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    const instead = scheme === undefined ? `http://${url.host}` : `${prefix}${url.host}`;
    return {
      problem: `A backend is an origin without a path, and the path of each request is kept; write ${instead}.`,
    };
  }
  const bare = url.hostname.replace(/^\[|\]$/g, '');
  const host = isIP(bare) === 0 ? normaliseName(bare) : bare;
  if (host === undefined || host.startsWith('*')) {
    return {
      problem: `${shown(written)} names no host; write ${prefix === '' ? example : `${prefix}app.internal:8080`}.`,
    };
  }
  const usual = scheme === undefined ? undefined : schemes[scheme].port;
  const explicit = /:(\d+)\/?$/.exec(rest)?.[1];
  const port = explicit === undefined ? usual : Number(explicit);
  const inUrl = host.includes(':') ? `[${host}]` : host;
  if (port === undefined) return { problem: `${shown(written)} has no port; write ${prefix}${inUrl}:8080.` };
  if (port === 0) return { problem: 'Port 0 is no port to connect to; write the port that the backend listens on.' };
  const text = `${prefix}${inUrl}${scheme !== undefined && port === usual ? '' : `:${port}`}`;
  return { value: { address: { host, port }, scheme, text } };
}

function unix(path: string): Parsed<WrittenEndpoint> {
  const written = path.replace(/^\/{2,}(?=\/)/, '');
  // oxlint-disable-next-line no-control-regex -- exactly these cannot stand in a path
  if (written === '' || /[\u0000-\u001f\u007f]/.test(written) || written.startsWith('//')) {
    return { problem: 'A unix socket is named by its path; write unix:/run/app.sock.' };
  }
  return { value: { address: { unixPath: written }, scheme: undefined, text: `unix:${written}` } };
}

function unknownScheme(name: string, host: string): string {
  const instead = { ws: 'http', wss: 'https', grpc: 'h2c', grpcs: 'h2', tls: 'tcp', ssl: 'tcp' }[name] ?? 'http';
  const why = name === 'tls' || name === 'ssl' ? ', and tls: {} as an option of the backend' : '';
  return `Backends are reached over ${known}, not ${describeValue(`${name}://`)}; write ${instead}://${host}${why}.`;
}

/** Nothing before an @, which may be a password. */
function shown(written: string): string {
  return describeValue(written.replace(/^(.*:\/\/)?.*@/s, '$1'));
}
