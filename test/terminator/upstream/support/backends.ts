import type { Duplex } from 'node:stream';
import { backendDefaults, type Backend } from '../../../../src/core/backend.ts';
import type {
  BackendCall,
  BackendEvents,
  BackendFailure,
  BackendRequest,
  BackendResponseHead,
} from '../../../../src/terminator/upstream/backend.ts';
import {
  createBackends,
  type BackendsDeps,
  type ManagedBackends,
} from '../../../../src/terminator/upstream/create-backends.ts';

export type BackendOverrides = Partial<Omit<Backend, 'timeouts'>> & { timeouts?: Partial<Backend['timeouts']> };

export function backendOf(
  endpoints: readonly (number | Backend['endpoints'][number])[],
  overrides: BackendOverrides = {},
): Backend {
  return {
    ...backendDefaults,
    ...overrides,
    endpoints: endpoints.map((one) => (typeof one === 'number' ? { host: '127.0.0.1', port: one, weight: 1 } : one)),
    timeouts: { ...backendDefaults.timeouts, ...overrides.timeouts },
  };
}

export interface TestBackends extends ManagedBackends, AsyncDisposable {
  readonly warnings: Readonly<Record<string, unknown>>[];
}

export function startBackends(
  backends: Record<string, Backend>,
  deps: Partial<BackendsDeps> & { files?: Record<string, string> } = {},
): TestBackends {
  const warnings: Readonly<Record<string, unknown>>[] = [];
  const { files = {}, ...rest } = deps;
  const managed = createBackends(
    {
      clientCertificate: () => Promise.resolve(undefined),
      onWarning: (message, fields) => warnings.push({ message, ...fields }),
      ...rest,
    },
    { backends, files },
  );
  return Object.assign(managed, { warnings, [Symbol.asyncDispose]: async () => await managed.destroy() });
}

export const client = { address: '192.0.2.7', port: 40_000, localAddress: '192.0.2.1', localPort: 443 };

function requestOf(overrides: Partial<BackendRequest> = {}): BackendRequest {
  return {
    method: 'GET',
    target: '/',
    authority: 'shop.test',
    headers: [],
    body: 'none',
    trailers: false,
    upgrade: undefined,
    connection: client,
    ...overrides,
  };
}

/** What came of one call. */
export class Answer implements BackendEvents {
  status = 0;
  head: BackendResponseHead | undefined;
  informational: number[] = [];
  readonly chunks: Buffer[] = [];
  trailers: readonly string[] | undefined;
  failure: BackendFailure | undefined;
  detail = '';
  headSeen = false;
  ready = 0;
  turns = 0;
  stream: Duplex | undefined;
  call!: BackendCall;
  readonly #done = Promise.withResolvers<void>();
  readonly #headed = Promise.withResolvers<void>();
  readonly #bodyChunks: readonly (string | Buffer)[] | undefined;
  readonly #bodyTrailers: readonly string[];
  holdBody = false;

  constructor(body?: readonly (string | Buffer)[], trailers: readonly string[] = []) {
    this.#bodyChunks = body;
    this.#bodyTrailers = trailers;
  }

  get body(): string {
    return Buffer.concat(this.chunks).toString('latin1');
  }

  /** Ended, failed or upgraded. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  get headed(): Promise<void> {
    return this.#headed.promise;
  }

  header(name: string): string | undefined {
    const { headers = [] } = this.head ?? {};
    const at = headers.findIndex((one, i) => i % 2 === 0 && one.toLowerCase() === name);
    return at < 0 ? undefined : headers[at + 1];
  }

  onReady(): void {
    this.ready += 1;
    if (!this.holdBody) this.sendBody();
  }

  sendBody(): void {
    if (this.#bodyChunks === undefined) return;
    for (const chunk of this.#bodyChunks) this.call.write(Buffer.from(chunk));
    this.call.finish(this.#bodyTrailers);
  }

  onDrain(): void {
    // tests that care replace it
  }

  onInformational(head: BackendResponseHead): void {
    this.informational.push(head.status);
  }

  onHead(head: BackendResponseHead): void {
    this.status = head.status;
    this.head = head;
    this.#headed.resolve();
  }

  onData(chunk: Buffer): void {
    this.chunks.push(chunk);
  }

  onTurn(): void {
    this.turns += 1;
  }

  onEnd(trailers: readonly string[]): void {
    this.trailers = trailers;
    this.#done.resolve();
  }

  onUpgrade(head: BackendResponseHead, stream: Duplex): void {
    this.status = head.status;
    this.head = head;
    this.stream = stream;
    this.#done.resolve();
  }

  onFailure(failure: BackendFailure, detail: string, headSeen: boolean): void {
    this.failure = failure;
    this.detail = detail;
    this.headSeen = headSeen;
    this.#headed.resolve();
    this.#done.resolve();
  }
}

export function begin(
  backends: ManagedBackends,
  name: string,
  request: Partial<BackendRequest> = {},
  answer = new Answer(),
): Answer {
  answer.call = backends.call(name, requestOf(request), answer);
  answer.call.start();
  return answer;
}

export async function send(
  backends: ManagedBackends,
  name: string,
  request: Partial<BackendRequest> = {},
  answer = new Answer(),
): Promise<Answer> {
  begin(backends, name, request, answer);
  await answer.done;
  return answer;
}
