/** Which worker accepts from which of the supervisor's sockets. */
import type { BoundAddress } from './bound-address.ts';
import type { BoundSocket } from './bound-socket.ts';

/** A worker as far as sockets go. */
export interface LaneWorker {
  /** Its place among the workers, from 0; a replacement has the same. */
  readonly index: number;
  /** Resolves when it accepts there: undefined, or the errno name why not (`ESRCH`: it has ended). */
  listen(id: number, socket: BoundSocket): Promise<string | undefined>;
  /** Resolves when it no longer accepts there. */
  unlisten(id: number): Promise<void>;
}

/** One socket. */
interface Lane {
  readonly id: number;
  readonly index: number;
  readonly socket: BoundSocket;
  /** Its own worker has ended, or hangs: the others accept there until it is back. */
  forsaken: boolean;
  /** Who accepts there, or has been asked to. */
  readonly takers: Set<LaneWorker>;
}

interface Open {
  readonly address: BoundAddress;
  readonly lanes: Lane[];
}

export interface LanesDeps {
  /** Work that goes on; it never rejects. */
  keep(work: Promise<void>): void;
  /** The worker cannot listen on a socket that is open. */
  onFailed(worker: LaneWorker, errno: string): void;
}

/**
 * Each worker has a socket of its own in every address; the kernel spreads connections evenly. A socket whose worker is
 * not there is everybody's, so that nobody waits in it, and so are all of an address that has fewer than there are workers.
 */
export class Lanes {
  readonly #deps: LanesDeps;
  readonly #workers = new Set<LaneWorker>();
  readonly #open = new Map<number, Open>();
  #count = 0;
  #last = 0;
  #closed = false;

  constructor(deps: LanesDeps) {
    this.#deps = deps;
  }

  /** How many workers there are meant to be. */
  setCount(count: number): void {
    this.#count = count;
    for (const open of this.#open.values()) this.#fill(open);
    this.#arrange();
  }

  /** Resolves when the workers accept there: undefined, or the errno name why one cannot. */
  async add(address: BoundAddress): Promise<{ id: number; failure: string | undefined }> {
    this.#last += 1;
    const id = this.#last;
    const open: Open = { address, lanes: [] };
    this.#open.set(id, open);
    this.#fill(open);
    const asked: Promise<string | undefined>[] = [];
    for (const lane of open.lanes)
      for (const worker of this.#workers) if (this.#isFor(open, lane, worker)) asked.push(this.#ask(lane, worker));
    // A worker that died meanwhile is replaced by one that listens, too.
    const failure = (await Promise.all(asked)).find((code) => code !== undefined && code !== 'ESRCH');
    if (failure !== undefined) await this.remove(id);
    return { id, failure };
  }

  /** Resolves when no worker accepts there any more; the sockets can be closed then. */
  async remove(id: number): Promise<void> {
    const open = this.#open.get(id);
    this.#open.delete(id);
    const asked = (open?.lanes ?? []).flatMap((lane) => [...lane.takers].map((worker) => worker.unlisten(lane.id)));
    await Promise.all(asked);
  }

  join(worker: LaneWorker): void {
    this.#workers.add(worker);
    this.#arrange();
  }

  /** It has ended, or accepts nothing more. */
  leave(worker: LaneWorker): void {
    if (!this.#workers.delete(worker)) return;
    for (const { lanes } of this.#open.values()) {
      for (const lane of lanes) {
        lane.takers.delete(worker);
        if (lane.index === worker.index) lane.forsaken = true;
      }
    }
    this.#arrange();
  }

  /** Whether it still talks: while it does not, others take what is meant for it. */
  setHeard(worker: LaneWorker, heard: boolean): void {
    if (!this.#workers.has(worker)) return;
    let changed = false;
    for (const { lanes } of this.#open.values()) {
      const own = lanes.find(({ index }) => index === worker.index);
      if (own === undefined || own.forsaken !== heard || (heard && !own.takers.has(worker))) continue;
      own.forsaken = !heard;
      changed = true;
    }
    if (changed) this.#arrange();
  }

  /** The worker has closed its copy of the socket, to accept nothing for a while, and wants it back. */
  reclaim(worker: LaneWorker, id: number): void {
    for (const { lanes } of this.#open.values())
      for (const lane of lanes)
        if (lane.id === id && lane.takers.has(worker)) this.#deps.keep(this.#listen(lane, worker));
  }

  /** Nobody is asked for anything any more. */
  close(): void {
    this.#closed = true;
  }

  #fill({ address, lanes }: Open): void {
    address.grow(this.#count);
    for (const socket of address.sockets.slice(lanes.length)) {
      this.#last += 1;
      lanes.push({ id: this.#last, index: lanes.length, socket, forsaken: false, takers: new Set() });
    }
  }

  #isFor({ lanes }: Open, lane: Lane, worker: LaneWorker): boolean {
    const shared = lane.forsaken || lane.index >= this.#count || lanes.length < this.#count;
    return shared || lane.index === worker.index;
  }

  /** First everybody who is missing is asked to listen, then those who need not any more are told. */
  #arrange(): void {
    if (this.#closed) return;
    const keep = (work: Promise<void>): void => this.#deps.keep(work);
    for (const open of this.#open.values()) {
      for (const lane of open.lanes)
        for (const worker of this.#workers)
          if (this.#isFor(open, lane, worker) && !lane.takers.has(worker)) keep(this.#listen(lane, worker));
    }
    for (const open of this.#open.values()) {
      for (const lane of open.lanes)
        for (const worker of lane.takers)
          if (!this.#isFor(open, lane, worker)) {
            lane.takers.delete(worker);
            keep(worker.unlisten(lane.id));
          }
    }
  }

  async #listen(lane: Lane, worker: LaneWorker): Promise<void> {
    const failure = await this.#ask(lane, worker);
    if (failure !== undefined && failure !== 'ESRCH') this.#deps.onFailed(worker, failure);
  }

  async #ask(lane: Lane, worker: LaneWorker): Promise<string | undefined> {
    lane.takers.add(worker);
    const failure = await worker.listen(lane.id, lane.socket);
    if (failure !== undefined) lane.takers.delete(worker);
    else if (lane.index === worker.index && lane.forsaken && lane.takers.has(worker)) {
      lane.forsaken = false;
      this.#arrange();
    }
    return failure;
  }
}
