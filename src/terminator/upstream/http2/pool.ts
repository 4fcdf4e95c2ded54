import type { BackendFailure, CallerConnection } from '../backend.ts';
import { dial, type DialTarget } from '../dial.ts';
import type { Pulse } from '../pulse.ts';
import { stopping, type Transport, type TransportLimits, type Waiter } from '../transport.ts';
import { WaitingLine } from '../waiting-line.ts';
import { Http2Carrier } from './carrier.ts';
import { Http2Session, type SessionKeeper } from './session.ts';

/** Where the settings name no limit. */
const mostSessions = 64;
/** Streams of a session, as far as nobody knows better. */
const usualStreams = 100;

export interface Http2PoolOptions {
  readonly target: DialTarget;
  readonly pulse: Pulse;
  readonly limits: () => TransportLimits;
}

/** HTTP/2 sessions to one endpoint: few, shared by all requests, another one where the streams of the present ones run out. */
export class Http2Pool implements Transport, SessionKeeper {
  readonly pulse: Pulse;
  readonly limits: () => TransportLimits;
  readonly #target: DialTarget;
  /** May take streams, now or when their settings have come. */
  readonly #sessions = new Set<Http2Session>();
  readonly #all = new Set<Http2Session>();
  readonly #line: WaitingLine<Waiter>;
  readonly #dials = new Set<{ readonly caller: CallerConnection | undefined; abort(): void }>();
  /** Streams that the last session took. */
  #perSession = usualStreams;
  #closed = false;
  #destroyed = false;

  constructor({ target, pulse, limits }: Http2PoolOptions) {
    this.#target = target;
    this.pulse = pulse;
    this.limits = limits;
    this.#line = new WaitingLine(pulse, () => limits().connectMs);
  }

  get open(): number {
    return this.#all.size + this.#dials.size;
  }

  get full(): boolean {
    const { maxConnections } = this.limits();
    if (maxConnections === 0 || this.open < maxConnections) return false;
    return this.#dials.size === 0 && ![...this.#sessions].some((session) => session.room);
  }

  acquire(waiter: Waiter): void {
    if (this.#destroyed) {
      waiter.onNone(...stopping);
      return;
    }
    const session = this.#withRoom(waiter.request.connection);
    if (session !== undefined) {
      waiter.onCarrier(new Http2Carrier(session));
      return;
    }
    this.#line.push(waiter);
    this.#openMore();
  }

  cancel(waiter: Waiter): void {
    this.#line.remove(waiter);
  }

  probe(waiter: Waiter): { abort(): void } {
    let over = false;
    const keeper: SessionKeeper = {
      pulse: this.pulse,
      limits: this.limits,
      onUsable: (session) => {
        over = true;
        waiter.onCarrier(new Http2Carrier(session));
      },
      onRoom: (session) => session.destroy(),
      onRetired: (_session, failure, detail) => {
        if (!over && failure !== undefined) waiter.onNone(failure, detail);
        over = true;
      },
      onGone: () => undefined,
    };
    let session: Http2Session | undefined;
    const opening = dial(
      this.#target,
      { caller: undefined },
      {
        onConnected: (socket) => {
          session = new Http2Session(socket, this.#target.tls !== undefined, keeper, undefined);
        },
        onFailure: (failure, detail) => waiter.onNone(failure, detail),
      },
    );
    const abort = (): void => {
      over = true;
      opening.abort();
      session?.destroy();
    };
    return { abort };
  }

  onUsable(session: Http2Session): void {
    this.#perSession = Math.max(1, session.most);
    this.#serve();
  }

  onRoom(): void {
    this.#serve();
  }

  onRetired(session: Http2Session, failure: BackendFailure | undefined, detail: string): void {
    this.#sessions.delete(session);
    if (failure !== undefined) this.#failed(failure, detail, session.caller);
    else if (this.#line.length > 0) this.#openMore();
  }

  onGone(session: Http2Session): void {
    this.#all.delete(session);
    if (this.#line.length > 0) this.#openMore();
  }

  close(): void {
    this.#closed = true;
    for (const session of this.#sessions) session.close();
  }

  destroy(): void {
    this.#closed = true;
    this.#destroyed = true;
    this.#line.dismiss(...stopping);
    for (const opening of this.#dials) opening.abort();
    this.#dials.clear();
    for (const session of this.#all) session.destroy();
  }

  /** The line goes on as far as there is room. */
  #serve(): void {
    while (this.#line.length > 0) {
      const waiter = this.#line.shiftWhere((one) => this.#withRoom(one.request.connection) !== undefined);
      const session = waiter === undefined ? undefined : this.#withRoom(waiter.request.connection);
      if (waiter === undefined || session === undefined) break;
      waiter.onCarrier(new Http2Carrier(session));
    }
    if (this.#line.length > 0) this.#openMore();
  }

  #withRoom(caller: CallerConnection): Http2Session | undefined {
    const own = this.#target.proxyProtocol !== undefined;
    for (const session of this.#sessions) if (session.room && (!own || session.caller === caller)) return session;
    return undefined;
  }

  /** Opens as many sessions as those who wait need. */
  #openMore(): void {
    if (this.#target.proxyProtocol !== undefined) {
      this.#openForEach();
      return;
    }
    const most = this.limits().maxConnections || mostSessions;
    let coming = this.#dials.size + [...this.#sessions].filter((session) => !session.usable).length;
    for (; this.open < most && this.#line.length > coming * this.#perSession; coming += 1) this.#open(undefined);
  }

  /** With a PROXY header each session is one client's; one that nobody uses gives way. */
  #openForEach(): void {
    const { maxConnections } = this.limits();
    const coming = new Set([...this.#dials, ...this.#sessions].map(({ caller }) => caller));
    for (const { request } of this.#line) {
      if (coming.has(request.connection)) continue;
      if (maxConnections > 0 && this.open >= maxConnections) {
        for (const session of this.#sessions) if (session.active === 0) session.close();
        return;
      }
      coming.add(request.connection);
      this.#open(request.connection);
    }
  }

  /** `caller`: whom its PROXY header names. */
  #open(caller: CallerConnection | undefined): void {
    const one = { caller, abort: () => opening.abort() };
    const opening = dial(
      this.#target,
      { caller },
      {
        onConnected: (socket) => {
          this.#dials.delete(one);
          const session = new Http2Session(socket, this.#target.tls !== undefined, this, caller);
          this.#sessions.add(session);
          this.#all.add(session);
          if (this.#closed && this.#line.length === 0) session.close();
        },
        onFailure: (failure, detail) => {
          this.#dials.delete(one);
          this.#failed(failure, detail, caller);
        },
      },
    );
    this.#dials.add(one);
  }

  /** A session could not be opened: those who wait for it are told, unless another one is on its way. */
  #failed(failure: BackendFailure, detail: string, caller: CallerConnection | undefined): void {
    if (this.#target.proxyProtocol !== undefined) {
      const its = [...this.#line].filter(({ request }) => request.connection === caller);
      for (const waiter of its) if (this.#line.remove(waiter)) waiter.onNone(failure, detail);
    } else if (this.#dials.size === 0 && ![...this.#sessions].some((session) => !session.usable))
      this.#line.dismiss(failure, detail);
  }
}
