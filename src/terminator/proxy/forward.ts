import type { Duplex } from 'node:stream';
import type {
  BackendCall,
  BackendEvents,
  BackendFailure,
  BackendRequest,
  BackendResponseHead,
  Backends,
} from '../upstream/backend.ts';
import { answer, type Inbound, type Outbound, type Outcome } from './exchange.ts';
import { forwardedHeaders, passableTrailers, responseHeaders } from './headers.ts';
import { joinStreams } from './web-socket.ts';

export interface ForwardOptions {
  readonly backends: Backends;
  readonly backend: string;
  onBackendFailure(failure: BackendFailure, detail: string): void;
}

/** Passes one request to a backend and its answer back, streaming both ways; each side's end ends the other. */
export function forward(inbound: Inbound, outbound: Outbound, options: ForwardOptions): void {
  new Forward(inbound, outbound, options).start();
}

class Forward implements BackendEvents {
  readonly #inbound: Inbound;
  readonly #outbound: Outbound;
  readonly #options: ForwardOptions;
  readonly #call: BackendCall;
  readonly #lowerCase: boolean;
  #bodyEnded: boolean;

  constructor(inbound: Inbound, outbound: Outbound, options: ForwardOptions) {
    this.#inbound = inbound;
    this.#outbound = outbound;
    this.#options = options;
    this.#bodyEnded = inbound.body === undefined;
    this.#lowerCase = inbound.version === '2';
    const { headers, trailers } = forwardedHeaders(inbound);
    const request: BackendRequest = {
      method: inbound.method,
      target: inbound.target,
      authority: inbound.authority,
      headers,
      body: inbound.body?.framing ?? 'none',
      trailers,
      upgrade: inbound.upgrade,
      connection: inbound.connection,
    };
    this.#call = options.backends.call(options.backend, request, this);
  }

  start(): void {
    this.#outbound.onClose((outcome) => this.#closed(outcome));
    this.#outbound.onDrain(() => this.#call.resume());
    this.#call.start();
  }

  onReady(): void {
    this.#inbound.body?.read({
      onData: (chunk) => {
        if (!this.#call.write(chunk)) this.#inbound.body?.pause();
      },
      onEnd: (trailers) => {
        this.#bodyEnded = true;
        this.#call.finish(passableTrailers(trailers));
      },
    });
  }

  onDrain(): void {
    this.#inbound.body?.resume();
  }

  onInformational(head: BackendResponseHead): void {
    this.#outbound.inform(head.status, responseHeaders(head.headers, this.#lowerCase));
  }

  onHead(head: BackendResponseHead): void {
    const headers = responseHeaders(head.headers, this.#lowerCase);
    this.#outbound.head(head.status, head.reason, headers, !this.#bodyEnded);
  }

  onData(chunk: Buffer): void {
    if (!this.#outbound.write(chunk)) this.#call.pause();
  }

  onTurn(): void {
    this.#outbound.flush();
  }

  onEnd(trailers: readonly string[]): void {
    this.#outbound.end(passableTrailers(trailers));
  }

  onUpgrade(head: BackendResponseHead, stream: Duplex): void {
    joinStreams(this.#outbound.tunnel(responseHeaders(head.headers, this.#lowerCase)), stream);
  }

  onFailure(failure: BackendFailure, detail: string, headSeen: boolean): void {
    this.#options.onBackendFailure(failure, detail);
    if (headSeen) this.#outbound.cut();
    else answerFailure(this.#outbound, failure);
  }

  #closed({ complete }: Outcome): void {
    if (!complete) this.#call.abort();
  }
}

/** 502, or 504 where time ran out, naming the reason and nothing of the inside. */
function answerFailure(outbound: Outbound, failure: BackendFailure): void {
  const timeout = failure === 'backend-timeout' || failure === 'backend-connect-timeout';
  if (timeout) answer(outbound, 504, `504 Gateway Timeout: ${failure}\n`);
  else answer(outbound, 502, `502 Bad Gateway: ${failure}\n`);
}
