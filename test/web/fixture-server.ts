/** A server of scripted contract data with the real one's headers: serves web/dist, the API's reads, renew, SSE and login. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import {
  certificateListSchema,
  certificateQuerySchema,
  certificateSchema,
  deliveryStates,
  managedStates,
  phases,
  type CertificateDetail,
} from '../../src/api/contract/certificates.ts';
import {
  changeEventSchema,
  historyQuerySchema,
  overviewSchema,
  problemSchema,
  type HistoryEntry,
  type Issuer,
  type Notice,
  type Overview,
  type Session,
  type Terminator,
} from '../../src/api/contract/overview.ts';
import { countBy } from '../../src/api/counts.ts';
import { timeline } from '../../src/api/timeline.ts';

const site = join(import.meta.dirname, '..', '..', 'web', 'dist');
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};
/** The real server's; what the page cannot live with shows as a console error in the tests. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
  "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const fixtureCookie = 'certplane_session=fixture';

export interface World {
  certificates: CertificateDetail[];
  issuers: Issuer[];
  terminators: Terminator[];
  history: HistoryEntry[];
  problems: Notice[];
  /** Null: logged out; `token` logs in again. */
  session: Session | null;
  token: string;
  /** Only with the cookie that a login gives. */
  cookieNeeded: boolean;
  /** Answer these paths (without /api/v1) with this status. */
  broken: Map<string, number>;
  /** What a renewal does; by default nothing, and the answer is 202. */
  onRenew: (certificate: CertificateDetail) => 202 | 409;
}

export interface FixtureServer extends AsyncDisposable {
  readonly url: string;
  readonly world: World;
  /** Requests so far, as `GET /certificates?limit=100`. */
  readonly requests: string[];
  /** Replaces certificates by id and tells the pages. */
  change(certificates: readonly CertificateDetail[], other?: boolean): void;
  /** The heartbeat of the real one, on every event stream. */
  alive(): void;
  /** Cuts every event stream. */
  cut(): void;
  readonly streams: number;
}

export async function startFixtureServer(start: Partial<World> = {}): Promise<FixtureServer> {
  const world: World = {
    certificates: [],
    issuers: [],
    terminators: [],
    history: [],
    problems: [],
    session: { role: 'admin', actor: 'session' },
    token: 'fixture-token',
    cookieNeeded: false,
    broken: new Map(),
    onRenew: () => 202,
    ...start,
  };
  const requests: string[] = [];
  const streams = new Set<ServerResponse>();
  let sequence = 0;

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      response.statusCode = 500;
      response.end(String(error));
    });
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fixture');
    response.setHeader('content-security-policy', policy);
    response.setHeader('x-content-type-options', 'nosniff');
    if (!url.pathname.startsWith('/api/v1/')) return await serveFile(url.pathname, response);
    const path = url.pathname.slice('/api/v1'.length);
    requests.push(`${request.method} ${path}${url.search}`);
    const broken = world.broken.get(path);
    if (broken !== undefined) return problem(response, broken, 'internal.unexpected', 'The fixture was told to fail.');
    if (path === '/session' && request.method === 'POST') return await logIn(request, response);
    const known = !world.cookieNeeded || (request.headers.cookie ?? '').includes(fixtureCookie);
    if (world.session === null || !known)
      return problem(response, 401, 'api.unauthenticated', 'A login or a token is needed.');
    if (path === '/session' && request.method === 'DELETE') {
      world.session = null;
      response.writeHead(204).end();
      return;
    }
    if (path === '/events') return stream(request, response);
    answer(request, response, url, path);
  }

  async function logIn(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { token } = JSON.parse(Buffer.concat(chunks).toString()) as { token: string };
    if (token !== world.token) {
      return problem(response, 401, 'access.token-invalid', 'The token is unknown, expired or revoked.');
    }
    world.session = { role: 'admin', actor: 'session' };
    response.setHeader('set-cookie', `${fixtureCookie}; Path=/; HttpOnly; SameSite=Strict`);
    json(response, 200, world.session);
  }

  function answer(request: IncomingMessage, response: ServerResponse, url: URL, path: string): void {
    const query = Object.fromEntries(url.searchParams);
    if (path === '/session') return json(response, 200, world.session);
    if (path === '/overview') return json(response, 200, overviewOf(world, Date.now()));
    if (path === '/issuers') return json(response, 200, { items: world.issuers });
    if (path === '/terminators') return json(response, 200, { items: world.terminators });
    if (path === '/history') return json(response, 200, { items: historyOf(world.history, query) });
    if (path === '/certificates') return json(response, 200, listOf(world.certificates, query));
    const [, encoded = '', action] = /^\/certificates\/([^/]+)(\/renew)?$/.exec(path) ?? [];
    const found = world.certificates.find(({ id }) => id === decodeURIComponent(encoded));
    if (found === undefined) return problem(response, 404, 'certificate.not-found', 'No certificate with that id.');
    if (action === undefined) return json(response, 200, found);
    if (request.method !== 'POST') return problem(response, 405, 'api.not-found', 'Only POST.');
    if (world.onRenew(found) === 202) return void response.writeHead(202).end();
    problem(response, 409, 'renewal.in-progress', 'A renewal of this certificate is already running.');
  }

  /** As the real one: who has not seen the latest event is told to read everything again. */
  function stream(request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write('retry: 100\n\n');
    if (request.headers['last-event-id'] !== `fixture.${sequence}`) {
      response.write(`id: fixture.${sequence}\nevent: snapshot\ndata: {}\n\n`);
    }
    streams.add(response);
    response.once('close', () => streams.delete(response));
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    world,
    requests,
    change(certificates, other = true) {
      const ids = new Set(certificates.map(({ id }) => id));
      world.certificates = [...world.certificates.filter(({ id }) => !ids.has(id)), ...certificates];
      const { phases, attentionTotal } = overviewOf(world, Date.now());
      const event = changeEventSchema.parse({ certificates: [...ids], other, phases, attentionTotal });
      sequence += 1;
      for (const one of streams)
        one.write(`id: fixture.${sequence}\nevent: change\ndata: ${JSON.stringify(event)}\n\n`);
    },
    alive() {
      for (const one of streams) one.write('event: alive\ndata: {}\n\n');
    },
    cut() {
      for (const one of streams) one.destroy();
    },
    get streams() {
      return streams.size;
    },
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function serveFile(path: string, response: ServerResponse): Promise<void> {
  const name = extname(path) === '' || path.startsWith('/certificates/') ? '/index.html' : path;
  try {
    const content = await readFile(join(site, name));
    response.setHeader('content-type', types[extname(name)] ?? 'application/octet-stream');
    response.end(content);
  } catch {
    response.writeHead(404).end();
  }
}

function overviewOf({ certificates, problems }: World, now: number): Overview {
  const attention = certificates.filter(({ urgency }) => urgency !== 'none').toSorted(byUrgency);
  return overviewSchema.parse({
    now: new Date(now).toISOString(),
    total: certificates.length,
    phases: countBy(phases, certificates, (one) => one.phase.state),
    delivery: countBy(deliveryStates, certificates, (one) => one.delivery.state),
    managed: countBy(managedStates, certificates, (one) => one.managed.state),
    attention: attention.slice(0, 20),
    attentionTotal: attention.length,
    problems,
    timeline: timeline(
      certificates.map(({ notAfter, renewAt }) => ({ notAfter: timeOf(notAfter), renewAt: timeOf(renewAt) })),
      now,
    ),
  });
}

function timeOf(text: string | null): number | undefined {
  return text === null ? undefined : Date.parse(text);
}

function byUrgency(a: CertificateDetail, b: CertificateDetail): number {
  const rank = { critical: 0, attention: 1, none: 2 };
  return rank[a.urgency] - rank[b.urgency] || (a.notAfter ?? '9').localeCompare(b.notAfter ?? '9');
}

function listOf(certificates: readonly CertificateDetail[], input: Record<string, string>): unknown {
  const { q = '', phase, issuer, attention, sort, limit, cursor = '0' } = certificateQuerySchema.parse(input);
  const text = q.toLowerCase();
  const found = certificates
    .filter((one) => issuer === undefined || one.issuer === issuer || one.issuers[0] === issuer)
    .filter((one) =>
      [one.id, one.name, ...one.names, one.issuer ?? '', one.serial ?? ''].some((part) =>
        part.toLowerCase().includes(text),
      ),
    );
  const matches = found
    .filter((one) => phase === undefined || one.phase.state === phase)
    .filter((one) => attention === undefined || one.urgency !== 'none')
    .toSorted(sort === 'urgency' ? byUrgency : byField(sort));
  const from = Number(cursor);
  return certificateListSchema.parse({
    items: matches.slice(from, from + limit).map((one) => certificateSchema.parse(one)),
    next: from + limit < matches.length ? String(from + limit) : null,
    total: matches.length,
    counts: {
      total: found.length,
      attention: found.filter(({ urgency }) => urgency !== 'none').length,
      phases: countBy(phases, found, (one) => one.phase.state),
    },
  });
}

function byField(sort: string): (a: CertificateDetail, b: CertificateDetail) => number {
  const field = sort.replace('-', '') as 'name' | 'notAfter' | 'renewAt';
  const sign = sort.startsWith('-') ? -1 : 1;
  return (a, b) => sign * (a[field] ?? '').localeCompare(b[field] ?? '');
}

function historyOf(entries: readonly HistoryEntry[], input: Record<string, string>): HistoryEntry[] {
  const { certificate, kind, before = Infinity, limit } = historyQuerySchema.parse(input);
  return entries
    .filter((one) => certificate === undefined || one.certificate === certificate)
    .filter((one) => kind === undefined || one.kind === kind)
    .filter((one) => one.id < before)
    .slice(0, limit);
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function problem(response: ServerResponse, status: number, code: string, detail: string): void {
  const body = problemSchema.parse({ type: `https://certplane.dev/errors/${code}`, title: code, status, detail, code });
  response.writeHead(status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(body));
}
