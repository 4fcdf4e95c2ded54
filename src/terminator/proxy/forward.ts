import type { Duplex } from 'node:stream';
import type { RouteAction } from '../../core/route.ts';
import type { CompiledRoute } from '../routing/compiled-route.ts';
import type { RequestPath } from '../routing/request-path.ts';
import { rewritePath } from '../routing/rewrite.ts';
import type {
  BackendCall,
  BackendEvents,
  BackendFailure,
  BackendRequest,
  BackendResponseHead,
} from '../upstream/backend.ts';
import { answerFailure } from './backend-failure.ts';
import { identityHeaders } from './client-identity.ts';
import type { BodySink, Outbound, RequestBody } from './exchange.ts';
import { headerValue, passableTrailers } from './headers.ts';
import { requestHeaders } from './request-headers.ts';
import { informationalHeaders, responseHeaders } from './response-headers.ts';
import type { Transaction } from './transaction.ts';
import { joinStreams } from './tunnel.ts';
import { handshakeHeaders } from './web-socket.ts';

type ProxyAction = Extract<RouteAction, { kind: 'proxy' }>;

/** Several terminators may stand in a row; more passes than this are a loop. */
const mostPasses = 8;

/** Passes a request to a backend and the answer back, streaming both ways; each side's end ends the other. */
export function forward(transaction: Transaction, route: CompiledRoute, action: ProxyAction, path: RequestPath): void {
  const { inbound, policy } = transaction;
  const { connection, upgrade } = inbound;
  const identity = policy?.clientCertificates === undefined ? undefined : identityHeaders(connection.tls?.identity);
  const { headers, trailers, passes } = requestHeaders(inbound, route.requestChanges, identity);
  if (passes >= mostPasses) {
    transaction.refuse(508, 'this request has come through here before');
    return;
  }
  const request: BackendRequest = {
    method: inbound.method,
    target: rewritePath(path.path, route, action.rewrite) + path.query,
    authority: action.host ?? inbound.authority,
    headers,
    body: inbound.body?.framing ?? 'none',
    trailers,
    upgrade,
    connection,
  };
  new Forward(transaction, action.backend, request).start();
}

class Forward implements BackendEvents {
  readonly #transaction: Transaction;
  readonly #outbound: Outbound;
  readonly #call: BackendCall;
  readonly #backend: string;
  /** Undefined: no body follows. */
  readonly #upload: Upload | undefined;
  #waitsForDrain = false;
  /** The call has ended, or nobody wants its answer any more. */
  #over = false;

  constructor(transaction: Transaction, backend: string, request: BackendRequest) {
    const { inbound, outbound, options } = transaction;
    this.#transaction = transaction;
    this.#outbound = outbound;
    this.#backend = backend;
    this.#call = options.backends.call(backend, request, this);
    transaction.call = this.#call;
    this.#upload = inbound.body === undefined ? undefined : new Upload(inbound.body, this.#call, transaction);
  }

  start(): void {
    this.#outbound.onClose(() => this.#closed());
    this.#call.start();
  }

  onReady(): void {
    this.#upload?.start();
  }

  onDrain(): void {
    this.#transaction.inbound.body?.resume();
  }

  onInformational(head: BackendResponseHead): void {
    this.#transaction.backendAnswers();
    this.#outbound.inform(head.status, informationalHeaders(head.headers, this.#transaction));
  }

  onHead(head: BackendResponseHead): void {
    const transaction = this.#transaction;
    transaction.backendAnswers();
    const headers = responseHeaders(head.headers, head.version ?? '1.1', transaction);
    this.#outbound.head(head.status, head.reason, headers, this.#upload?.settle() === false);
  }

  onData(chunk: Buffer, release?: () => void): void {
    if (this.#outbound.write(chunk, release)) return;
    this.#call.pause();
    if (this.#waitsForDrain) return;
    this.#waitsForDrain = true; // most answers never have to
    this.#outbound.onDrain(() => {
      if (!this.#over) this.#call.resume();
    });
  }

  onTurn(): void {
    this.#outbound.flush();
  }

  onEnd(trailers: readonly string[]): void {
    this.#finish();
    this.#outbound.end(passableTrailers(trailers));
  }

  onUpgrade(head: BackendResponseHead, stream: Duplex): void {
    this.#finish();
    const transaction = this.#transaction;
    const { version, headers } = transaction.inbound;
    transaction.backendAnswers();
    const answered = responseHeaders(head.headers, head.version ?? '1.1', transaction);
    const own = handshakeHeaders(answered, version, headerValue(headers, 'sec-websocket-key'));
    joinStreams(this.#outbound.tunnel(own), stream, transaction.options.tunnelIdleMs());
  }

  /** An answer that has begun is cut, so that nobody takes it for the whole. */
  onFailure(failure: BackendFailure, detail: string, headSeen: boolean): void {
    this.#finish();
    this.#transaction.failure = failure;
    this.#transaction.options.onBackendFailure(this.#backend, failure, detail);
    if (headSeen) this.#outbound.cut();
    else answerFailure(this.#transaction, failure, this.#upload?.settle() === false);
  }

  #finish(): void {
    this.#over = true;
    this.#upload?.stop();
  }

  /** The client has gone, or was refused before the backend's answer was out. */
  #closed(): void {
    if (this.#over) return;
    this.#finish();
    this.#call.abort();
  }
}

/** The request body on its way to the backend. */
class Upload implements BodySink {
  readonly #body: RequestBody;
  readonly #call: BackendCall;
  readonly #transaction: Transaction;
  #state: 'unread' | 'reading' | 'ended' | 'unwanted' = 'unread';

  constructor(body: RequestBody, call: BackendCall, transaction: Transaction) {
    this.#body = body;
    this.#call = call;
    this.#transaction = transaction;
  }

  start(): void {
    if (this.#state !== 'unread') return;
    this.#state = 'reading';
    this.#body.read(this);
  }

  onData(chunk: Buffer): void {
    this.#transaction.bytesIn += chunk.length;
    if (this.#state === 'reading' && !this.#call.write(chunk)) this.#body.pause();
  }

  onEnd(trailers: readonly string[]): void {
    if (this.#state !== 'reading') return;
    this.#state = 'ended';
    this.#call.finish(passableTrailers(trailers));
  }

  /** The answer begins. False: the rest of the body will not be read, and the connection has to end with the answer. */
  settle(): boolean {
    if (this.#state === 'unread') {
      this.#state = 'unwanted';
      this.#body.discard();
      return true;
    }
    return this.#state === 'ended';
  }

  /** The backend takes nothing more. */
  stop(): void {
    if (this.#state === 'reading') this.#state = 'unwanted';
  }
}
