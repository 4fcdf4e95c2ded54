import type { Duplex } from 'node:stream';
import type { BackendCall, BackendEvents, BackendFailure, BackendRequest, BackendResponseHead } from './backend.ts';
import type { Endpoint } from './endpoint.ts';
import type { BackendGroup, Verdict } from './group.ts';
import type { Carrier, CarrierOwner, Waiter } from './transport.ts';

/** Methods that may be sent twice (RFC 9110 §9.2.2). */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']);

/** Of these there is no use in asking the same endpoint again. */
const lasting = new Set<BackendFailure>([
  'backend-refused',
  'backend-connect-timeout',
  'backend-tls',
  'backend-bad-answer',
]);

/** Attempts that are no retries, because nothing had reached the backend or an old connection was only found closed. */
const mostFree = 3;

/**
 * One request to a backend: an endpoint, a carrier, and again on another endpoint where that is allowed. Once a byte
 * of an answer has been passed on, there is no other attempt.
 */
export class RoutedCall implements BackendCall, CarrierOwner, Waiter {
  readonly request: BackendRequest;
  /** The one chosen last. */
  endpoint: string | undefined;
  readonly #group: BackendGroup;
  readonly #events: BackendEvents;
  #endpoint: Endpoint | undefined;
  #carrier: Carrier | undefined;
  #tried: Endpoint[] | undefined;
  #retries: number;
  #free = mostFree;
  #admitted = false;
  #waiting: NodeJS.Timeout | undefined;
  /** `onReady` has been called. */
  #ready = false;
  /** A part of the body is gone and cannot be sent again. */
  #written = false;
  #held: Buffer | undefined;
  #finished: readonly string[] | undefined;
  #paused = false;
  /** Something of the answer was passed on. */
  #heard = false;
  #headSeen = false;
  #gatewayError = false;
  #over = false;
  #ended = false;

  constructor(group: BackendGroup, request: BackendRequest, events: BackendEvents) {
    this.#group = group;
    this.request = request;
    this.#events = events;
    this.#retries = group.backend.retries;
  }

  start(): void {
    if (!this.#group.admit()) {
      this.#fail('backend-overloaded', `${this.#group.backend.maxRequests} requests are under way already`);
      return;
    }
    this.#admitted = true;
    if (this.#group.known) this.#attempt(undefined);
    else this.#waitForNames();
  }

  write(chunk: Buffer, release?: () => void): boolean {
    if (this.#over) return true;
    if (this.#carrier === undefined) {
      this.#held = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]);
      return false;
    }
    this.#written = true;
    return this.#carrier.write(chunk, release);
  }

  finish(trailers: readonly string[]): void {
    if (this.#over) return;
    this.#finished = trailers;
    this.#carrier?.finish(trailers);
  }

  pause(): void {
    if (this.#over) return;
    this.#paused = true;
    this.#carrier?.pause();
  }

  resume(): void {
    if (!this.#paused || this.#over) return;
    this.#paused = false;
    this.#carrier?.resume();
  }

  abort(): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#waiting);
    if (this.#carrier === undefined) this.#endpoint?.transport.cancel(this);
    else this.#carrier.abort();
    this.#settle('unresolved');
    this.#dismiss();
  }

  onCarrier(carrier: Carrier): void {
    this.#carrier = carrier;
    carrier.send(this.request, this);
  }

  onNone(failure: BackendFailure, detail: string): void {
    if (this.#over) return;
    const endpoint = this.#endpoint as Endpoint;
    const verdict = failure === 'backend-overloaded' || failure === 'backend-unavailable' ? 'unresolved' : 'failed';
    this.#settle(verdict, `${failure}: ${detail}`);
    this.#again(endpoint, failure, detail, true);
  }

  onReady(): void {
    if (this.#over) return;
    if (!this.#ready) {
      this.#ready = true;
      this.#events.onReady();
      return;
    }
    // A later attempt: what was given meanwhile goes first.
    if (this.#paused) this.#carrier?.pause();
    const held = this.#held;
    this.#held = undefined;
    const more = held === undefined || this.write(held);
    if (this.#finished !== undefined) this.#carrier?.finish(this.#finished);
    else if (more && held !== undefined) this.#events.onDrain();
  }

  onDrain(): void {
    if (!this.#over) this.#events.onDrain();
  }

  onInformational(head: BackendResponseHead): void {
    if (this.#over) return;
    this.#heard = true;
    this.#events.onInformational(head);
  }

  onHead(head: BackendResponseHead): void {
    if (this.#over) return;
    this.#heard = true;
    this.#headSeen = true;
    this.#gatewayError = head.status >= 502 && head.status <= 504;
    this.#events.onHead(head);
  }

  onData(chunk: Buffer, release: (() => void) | undefined): void {
    if (!this.#over) this.#events.onData(chunk, release);
  }

  onTurn(): void {
    if (!this.#over || this.#ended) this.#events.onTurn();
  }

  onEnd(trailers: readonly string[]): void {
    if (this.#over) return;
    this.#over = true;
    this.#ended = true;
    this.#settle(this.#gatewayError ? 'failed' : 'answered', 'a gateway error');
    this.#dismiss();
    this.#events.onEnd(trailers);
  }

  onUpgrade(head: BackendResponseHead, stream: Duplex): void {
    if (this.#over) return;
    this.#over = true;
    // It takes part in the counts for as long as it is open.
    const endpoint = this.#endpoint as Endpoint;
    this.#endpoint = undefined;
    this.#group.judge(endpoint, 'answered');
    stream.once('close', () => {
      this.#group.settle(endpoint, 'unresolved');
      this.#dismiss();
    });
    this.#events.onUpgrade(head, stream);
  }

  onLost(failure: BackendFailure, detail: string, untouched: boolean): void {
    if (this.#over) return;
    const endpoint = this.#endpoint as Endpoint;
    const carrier = this.#carrier as Carrier;
    this.#carrier = undefined;
    const gone = failure === 'backend-reset' || failure === 'backend-closed';
    // An old connection that ends without a word had been closed already; that says nothing about the endpoint.
    const stale = carrier.reused && gone && !this.#heard;
    const innocent = stale || untouched || failure === 'backend-unavailable';
    this.#settle(innocent ? 'unresolved' : 'failed', `${failure}: ${detail}`);
    if (stale && this.#free > 0 && this.#repeatable) {
      this.#free -= 1;
      this.#attempt(endpoint);
    } else this.#again(endpoint, failure, detail, untouched);
  }

  /** The backend may have seen it, and may see it again. */
  get #repeatable(): boolean {
    const { method, body, upgrade } = this.request;
    return !this.#heard && body === 'none' && upgrade === undefined && idempotent.has(method);
  }

  #again(endpoint: Endpoint, failure: BackendFailure, detail: string, untouched: boolean): void {
    const allowed = untouched ? !this.#heard && !this.#written : failure !== 'backend-bad-answer' && this.#repeatable;
    if (!allowed || failure === 'backend-overloaded' || failure === 'backend-unavailable') {
      this.#fail(failure, detail);
      return;
    }
    (this.#tried ??= []).push(endpoint);
    // A name's other addresses lead to the same place: trying them is no retry when this one did not even answer.
    if (untouched && failure === 'backend-refused' && this.#free > 0) {
      const sibling = this.#group.pick(this.request, this.#tried, endpoint.origin);
      if (sibling !== undefined) {
        this.#free -= 1;
        this.#go(sibling, false);
        return;
      }
    }
    if (this.#retries > 0) {
      const other = this.#group.pick(this.request, this.#tried);
      if (other !== undefined) {
        this.#retries -= 1;
        this.#go(other, false);
        return;
      }
    }
    // Turned away unseen (RFC 9113 §8.7): the same endpoint may take it on another connection.
    if (untouched && !lasting.has(failure) && this.#free > 0) {
      this.#free -= 1;
      this.#attempt(endpoint);
      return;
    }
    this.#fail(failure, detail);
  }

  /** At the endpoint whose turn it is; or once more, on a new connection, at this one. */
  #attempt(same: Endpoint | undefined): void {
    if (same !== undefined) {
      this.#group.begin(same);
      this.#go(same, true);
      return;
    }
    const endpoint = this.#group.pick(this.request);
    if (endpoint !== undefined) this.#go(endpoint, false);
    else {
      const { failure, detail } = this.#group.problem;
      this.#fail(failure, detail);
    }
  }

  #go(endpoint: Endpoint, fresh: boolean): void {
    this.#endpoint = endpoint;
    this.endpoint = endpoint.label;
    endpoint.transport.acquire(this, fresh);
  }

  #waitForNames(): void {
    let waited = false;
    const go = (): void => {
      if (waited || this.#over) return;
      waited = true;
      clearTimeout(this.#waiting);
      this.#attempt(undefined);
    };
    this.#waiting = setTimeout(go, this.#group.backend.timeouts.connectMs);
    this.#group.endpoints.whenKnown(go);
  }

  #settle(verdict: Verdict, detail = ''): void {
    const endpoint = this.#endpoint;
    this.#endpoint = undefined;
    if (endpoint !== undefined) this.#group.settle(endpoint, verdict, detail);
  }

  #dismiss(): void {
    if (this.#admitted) this.#group.dismiss();
    this.#admitted = false;
  }

  #fail(failure: BackendFailure, detail: string): void {
    this.#over = true;
    this.#dismiss();
    this.#events.onFailure(failure, detail, this.#headSeen);
  }
}
