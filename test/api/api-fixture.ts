import { request as httpRequest, type IncomingMessage } from 'node:http';
import { silentLog, type Log } from '../../src/core/ports/log.ts';
import type { CertificateView } from '../../src/core/ports/control-view.ts';
import { createLoginLinks, type LoginLinks } from '../../src/access/login-links.ts';
import { sessionCookieName } from '../../src/access/session-cookie.ts';
import { createSessions, type Sessions } from '../../src/access/sessions.ts';
import { createTokens, type Tokens } from '../../src/access/tokens.ts';
import { createApi, type Api } from '../../src/api/server.ts';
import type { Check } from '../../src/explain/check.ts';
import { fetchOnce, type FetchOptions, type FetchResult } from '../support/http.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { ScriptedView } from '../support/scripted-view.ts';
import { tempDir, type TempDir } from '../support/tempdir.ts';

export interface Caller {
  readonly headers?: Record<string, string>;
  readonly socketPath?: string;
}

export interface ApiFixture extends AsyncDisposable {
  readonly api: Api;
  readonly view: ScriptedView;
  readonly clock: ManualClock;
  readonly store: MemoryStore;
  readonly tokens: Tokens;
  readonly sessions: Sessions;
  readonly loginLinks: LoginLinks;
  readonly dir: TempDir;
  readonly socketPath: string;
  readonly none: Caller;
  readonly viewer: Caller;
  readonly admin: Caller;
  readonly socket: Caller;
  /** The Cookie header of a session. */
  cookie(secret: string): string;
  /** A request to `/api/v1<path>`; the admin socket by default. */
  call(path: string, options?: FetchOptions & { as?: Caller; json?: unknown }): Promise<FetchResult>;
  /** The same to any path of the server. */
  visit(path: string, options?: FetchOptions & { as?: Caller; json?: unknown }): Promise<FetchResult>;
  events(options?: { as?: Caller; lastEventId?: string }): Promise<EventStream>;
}

export interface FixtureOptions {
  readonly allowedHosts?: readonly string[];
  readonly webDir?: string;
  readonly log?: Log;
  readonly certificateChecks?: readonly Check<CertificateView>[];
  readonly installationChecks?: readonly Check[];
}

export async function startApi(options: FixtureOptions = {}): Promise<ApiFixture> {
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(await tempDir());
  const clock = new ManualClock();
  const store = stack.use(new MemoryStore());
  const view = new ScriptedView();
  const log = options.log ?? silentLog;
  const tokens = createTokens({ store, clock });
  const sessions = createSessions({ clock });
  const loginLinks = createLoginLinks({ clock });
  const socketPath = dir.join('run', 'admin.sock');
  const { certificateChecks = [], installationChecks = [], allowedHosts = [], webDir = dir.join('web') } = options;
  const api = stack.use(
    createApi(
      { view, tokens, sessions, loginLinks, certificateChecks, installationChecks, clock, log },
      { listen: { host: '127.0.0.1', port: 0 }, socketPath, allowedHosts: () => allowedHosts, webDir },
    ),
  );
  await api.start(new AbortController().signal);
  const bearer = async (role: 'admin' | 'viewer'): Promise<Caller> => {
    const { token } = await tokens.create({ label: role, role });
    return { headers: { authorization: `Bearer ${token}` } };
  };
  const socket: Caller = { socketPath };
  const [viewer, admin] = [await bearer('viewer'), await bearer('admin')];
  const kept = stack.move();
  const visit: ApiFixture['visit'] = async (path, { as = socket, json, headers, ...rest } = {}) =>
    await fetchOnce(`${api.address}${path}`, {
      ...rest,
      ...as,
      headers: {
        ...as.headers,
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    });
  return {
    api,
    view,
    clock,
    store,
    tokens,
    sessions,
    loginLinks,
    dir,
    socketPath,
    viewer,
    admin,
    socket,
    visit,
    none: {},
    cookie: (secret) => `${sessionCookieName({ secure: false, port: Number(new URL(api.address).port) })}=${secret}`,
    call: async (path, request) => await visit(`/api/v1${path}`, request),
    events: async ({ as = socket, lastEventId } = {}) => await EventStream.open(api.address, as, lastEventId),
    [Symbol.asyncDispose]: async () => await kept.disposeAsync(),
  };
}

export interface ServerEvent {
  readonly id: string;
  readonly event: string;
  readonly data: { certificates: string[]; other: boolean; phases: Record<string, number>; attentionTotal: number };
}

const deadlineMs = 10_000;

/** A client of the event stream that waits for events, never for time. */
class EventStream implements Disposable {
  readonly #response: IncomingMessage;
  readonly #blocks: string[] = [];
  #ended = false;
  #wake = Promise.withResolvers<void>();
  #rest = '';

  private constructor(response: IncomingMessage) {
    this.#response = response;
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      const blocks = (this.#rest + chunk).split('\n\n');
      this.#rest = blocks.pop() ?? '';
      this.#blocks.push(...blocks);
      this.#wake.resolve();
    });
    for (const event of ['close', 'error', 'end']) {
      response.on(event, () => {
        this.#ended = true;
        this.#wake.resolve();
      });
    }
  }

  static async open(address: string, as: Caller, lastEventId?: string): Promise<EventStream> {
    const url = new URL('/api/v1/events', address);
    return await new Promise((resolve, reject) => {
      const request = httpRequest(
        {
          ...(as.socketPath === undefined ? { host: url.hostname, port: url.port } : { socketPath: as.socketPath }),
          path: url.pathname,
          agent: false,
          headers: {
            host: url.host,
            ...as.headers,
            ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
          },
        },
        (response) =>
          response.statusCode === 200
            ? resolve(new EventStream(response))
            : reject(new Error(`the event stream answered ${response.statusCode}`)),
      );
      request.once('error', reject);
      request.end();
    });
  }

  /** The next block of the stream, comments and `retry` included; undefined once the stream has ended. */
  async block(): Promise<string | undefined> {
    const deadline = AbortSignal.timeout(deadlineMs);
    const late = new Promise<never>((_, reject) =>
      deadline.addEventListener('abort', () => reject(new Error('no event within 10 s'))),
    );
    for (;;) {
      const block = this.#blocks.shift();
      if (block !== undefined || this.#ended) return block;
      this.#wake = Promise.withResolvers();
      await Promise.race([this.#wake.promise, late]);
    }
  }

  async next(): Promise<ServerEvent> {
    for (;;) {
      const block = await this.block();
      if (block === undefined) throw new Error('the stream ended');
      const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s, 2) as [string, string]));
      if (fields['data'] === undefined) continue;
      return {
        id: fields['id'] ?? '',
        event: fields['event'] ?? '',
        data: JSON.parse(fields['data']) as ServerEvent['data'],
      };
    }
  }

  async ended(): Promise<void> {
    while ((await this.block()) !== undefined);
  }

  [Symbol.dispose](): void {
    this.#response.destroy();
  }
}
