import type { Socket } from 'node:net';
import { BackendCall, type CallEvents } from '../upstream/call.ts';
import type { BackendFailure } from '../upstream/connection.ts';
import type { OriginPool } from '../upstream/pool.ts';
import type { ResponseHead } from '../upstream/response-head.ts';
import { answer, type Inbound, type Outbound } from './exchange.ts';
import { passableTrailers, requestHead, responseHeaders } from './headers.ts';

export interface ForwardOptions {
  readonly backendIdleMs: number;
  /** HTTP/2 wants lower-case names. */
  readonly lowerCase: boolean;
  onBackendFailure(failure: BackendFailure, detail: string): void;
}

/** Passes one request to a backend and its answer back, streaming both ways; each side's end ends the other. */
export function forward(inbound: Inbound, outbound: Outbound, pool: OriginPool, options: ForwardOptions): void {
  new Forward(inbound, outbound, pool, options).start();
}

class Forward implements CallEvents {
  readonly #inbound: Inbound;
  readonly #outbound: Outbound;
  readonly #options: ForwardOptions;
  readonly #call: BackendCall;
  #bodyStarted = false;
  #bodyEnded: boolean;

  constructor(inbound: Inbound, outbound: Outbound, pool: OriginPool, options: ForwardOptions) {
    this.#inbound = inbound;
    this.#outbound = outbound;
    this.#options = options;
    this.#bodyEnded = inbound.bodyKind === 'none';
    const head = requestHead({ ...inbound, host: inbound.authority, body: inbound.bodyKind });
    const request = { method: inbound.method, head, body: inbound.bodyKind, upgrade: false };
    this.#call = new BackendCall(pool, request, this, options.backendIdleMs);
  }

  start(): void {
    const { body, bodyKind } = this.#inbound;
    this.#outbound.onGone(() => this.#call.abort());
    this.#outbound.onDrain(() => this.#call.resume());
    if (bodyKind === 'none') this.#outbound.received();
    // Listened for from the beginning: an empty HTTP/2 body ends before anybody reads it.
    else body.once('end', () => this.#endBody());
    this.#call.start();
  }

  onReady(): void {
    if (this.#bodyStarted || this.#inbound.bodyKind === 'none') return;
    this.#bodyStarted = true;
    if (this.#bodyEnded) this.#finish();
    const { body } = this.#inbound;
    body.on('data', (chunk: Buffer) => {
      if (!this.#call.write(chunk)) body.pause();
    });
  }

  #endBody(): void {
    this.#bodyEnded = true;
    this.#outbound.received();
    if (this.#bodyStarted) this.#finish();
  }

  #finish(): void {
    this.#call.finish(passableTrailers(this.#inbound.trailers()));
  }

  onDrain(): void {
    this.#inbound.body.resume();
  }

  onInformational(head: ResponseHead): void {
    this.#outbound.inform(head.status, responseHeaders(head.headers, this.#options.lowerCase));
  }

  onHead(head: ResponseHead): void {
    const headers = responseHeaders(head.headers, this.#options.lowerCase);
    this.#outbound.head(head.status, head.reason, headers, !this.#bodyEnded);
  }

  onData(chunk: Buffer): void {
    if (!this.#outbound.write(chunk)) this.#call.pause();
  }

  onEnd(trailers: readonly string[]): void {
    this.#outbound.end(passableTrailers(trailers));
  }

  onUpgrade(_head: ResponseHead, socket: Socket): void {
    socket.destroy(); // not asked for: the parser has refused it already
    this.#outbound.cut();
  }

  onFailure(failure: BackendFailure, detail: string, headSeen: boolean): void {
    this.#options.onBackendFailure(failure, detail);
    if (headSeen) this.#outbound.cut();
    else answerFailure(this.#outbound, failure);
  }
}

/** 502, or 504 where time ran out, naming the reason and nothing of the inside. */
function answerFailure(outbound: Outbound, failure: BackendFailure): void {
  const timeout = failure === 'backend-timeout' || failure === 'backend-connect-timeout';
  if (timeout) answer(outbound, 504, `504 Gateway Timeout: ${failure}\n`);
  else answer(outbound, 502, `502 Bad Gateway: ${failure}\n`);
}
