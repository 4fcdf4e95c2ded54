import { formatDuration } from '../../core/duration.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { BackendReport, Refusal, WorkerStatus } from '../../core/feed.ts';
import type {
  FromWorker,
  HostState,
  MaterialAnswer,
  SlotMaterial,
  ToWorker,
  WorkerChange,
  WorkerCounters,
} from '../ipc/messages.ts';
import type { BoundAddress } from './bound-address.ts';
import { Lanes } from './lanes.ts';
import { mergeEndpoints } from './merge-endpoints.ts';
import { WorkerHandle, type WorkerExit } from './worker-handle.ts';

export interface WorkerPoolDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** What a new worker starts with; read at the moment it is started. */
  startMessage(): Extract<ToWorker, { type: 'start' }>;
  resolve(host: string): HostState | undefined;
  /** The version of the slot that is current, if there is one. */
  currentVersion(slot: string): string | undefined;
  /** A version with its key; undefined when the slot is empty. */
  material(slot: string): Promise<SlotMaterial | undefined>;
  /** The least that every live worker has in effect has grown, or the workers have changed. */
  onProgress(): void;
  onCounters(worker: WorkerHandle, counters: WorkerCounters): void;
  /** A worker could not take what a change has in store; the refusal's key is the slot. */
  onRefused(refusal: Refusal): void;
  /** Sentence about a worker that ended without being asked to. */
  onCrash(sentence: string): void;
}

const leastBackoffMs = 200;
const longestBackoffMs = 10_000;
/** A worker that lived this long did not die of its start. */
const provenMs = 10_000;
/** Workers report every second: while one is silent for longer than this, others accept what is meant for it. */
const doubtfulMs = 4_000;
/** One that is silent this long hangs. */
const silentMs = 30_000;

/** Keeps N workers running, tells them what changes, and knows how far they are. */
export class WorkerPool {
  readonly #deps: WorkerPoolDeps;
  readonly #signal: AbortSignal;
  readonly #workers = new Set<WorkerHandle>();
  readonly #lanes: Lanes;
  readonly #ends = new Set<Promise<void>>();
  #count = 0;
  #sequence = 0;
  #crashes = 0;
  #lookedAt = performance.now();
  #stopping = false;

  /** `signal` ends waiting for a restart; `drain` ends the workers. */
  constructor(deps: WorkerPoolDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
    this.#lanes = new Lanes({
      keep: (work) => this.#keep(work),
      onFailed: (worker) => (worker as WorkerHandle).kill(), // the socket is ours and open: it has no excuse
    });
  }

  /** How many workers there are meant to be. */
  get count(): number {
    return this.#count;
  }

  /** Workers that are meant to serve. */
  get live(): readonly WorkerHandle[] {
    return [...this.#workers].filter((worker) => !worker.draining);
  }

  statuses(): readonly WorkerStatus[] {
    return this.live.map(({ pid, startedAt, connections, asRoot }) => ({
      pid,
      startedAt,
      connections,
      ...(asRoot ? { asRoot } : {}),
    }));
  }

  /** Endpoints of backends as all workers together see them. */
  endpoints(): readonly BackendReport[] {
    return mergeEndpoints(this.live.map(({ endpoints }) => endpoints));
  }

  get sequence(): number {
    return this.#sequence;
  }

  /** The last change that every live worker has in effect; -1 when there is no worker. */
  get applied(): number {
    const { live } = this;
    return live.length === 0 ? -1 : Math.min(...live.map((worker) => worker.applied));
  }

  /** Tells every worker. Returns the change's number, to be compared with `applied`. */
  apply(changes: readonly WorkerChange[]): number {
    this.#sequence += 1;
    for (const worker of this.live) worker.send({ type: 'apply', sequence: this.#sequence, changes });
    return this.#sequence;
  }

  setCount(count: number): void {
    this.#count = count;
    this.#lanes.setCount(count);
    while (this.live.length < count && !this.#stopping) this.#start();
    for (const worker of this.live) if (worker.index >= count) this.#retire(worker);
  }

  /** Resolves when every worker accepts there; throws an errno name when one cannot. */
  async listen(address: BoundAddress): Promise<number> {
    const { id, failure } = await this.#lanes.add(address);
    if (failure !== undefined) throw new ListenFailed(failure);
    return id;
  }

  /** Resolves when no worker accepts there any more; the address can be closed then. */
  async unlisten(id: number): Promise<void> {
    await this.#lanes.remove(id);
  }

  /** Ends all workers gracefully; resolves when none is left. */
  async drain(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    this.#lanes.close();
    await Promise.all([...this.#workers].map((worker) => worker.drain(deadlineMs)));
    await Promise.all(this.#ends);
  }

  /** Ends all workers at once, with whatever they have open. */
  cut(): void {
    this.#stopping = true;
    this.#lanes.close();
    for (const worker of this.#workers) worker.kill();
  }

  /** Takes new connections from workers that have stopped talking, and then ends them; call it every few seconds. */
  watchSilence(): void {
    const now = performance.now();
    // Whoever was asleep is this process (suspended, or too busy to read): what workers said has yet to be heard.
    const slept = now - this.#lookedAt > silentMs / 2;
    this.#lookedAt = now;
    if (slept) for (const worker of this.#workers) worker.heardAt = now;
    for (const worker of this.live) {
      const silence = now - worker.heardAt;
      this.#lanes.setHeard(worker, silence <= doubtfulMs);
      if (silence > silentMs) worker.kill();
    }
  }

  #start(): void {
    const taken = new Set(this.live.map(({ index }) => index));
    let index = 0;
    while (taken.has(index)) index += 1;
    const message = this.#deps.startMessage();
    const asRoot = message.account === undefined && process.getuid?.() === 0;
    const worker = new WorkerHandle(
      { index, startedAt: this.#deps.clock.now(), applied: this.#sequence, asRoot },
      (from, said) => this.#take(from, said),
    );
    this.#workers.add(worker);
    worker.send(message);
    this.#lanes.join(worker);
    this.#keep(worker.exited.then((exit) => this.#ended(worker, exit)));
  }

  #retire(worker: WorkerHandle): void {
    this.#lanes.leave(worker);
    this.#keep(worker.drain(this.#deps.startMessage().settings.settings.timeouts.drainMs));
    this.#deps.onProgress();
  }

  /** Awaited by `drain`. */
  #keep(work: Promise<void>): void {
    const end = work.finally(() => this.#ends.delete(end));
    this.#ends.add(end);
  }

  async #ended(worker: WorkerHandle, exit: WorkerExit): Promise<void> {
    this.#workers.delete(worker);
    this.#lanes.leave(worker);
    this.#deps.onProgress();
    if (worker.draining || this.#stopping) return;
    const { clock, log } = this.#deps;
    const lived = clock.now() - worker.startedAt;
    const how = exit.signal ?? `exit code ${exit.code}`;
    const sentence = `Worker ${worker.pid} ended unexpectedly (${how}) after ${formatDuration(lived)}; it is replaced.`;
    log.error(sentence, { code: 'terminator.worker-failed' });
    this.#deps.onCrash(sentence);
    this.#crashes = lived >= provenMs ? 0 : this.#crashes + 1;
    if (this.#crashes > 1) {
      const waitMs = Math.min(longestBackoffMs, leastBackoffMs * 2 ** (this.#crashes - 2));
      await clock.sleep(waitMs, this.#signal).catch((error: unknown) => {
        if (!this.#signal.aborted) throw error;
      });
    }
    if (!this.#signal.aborted) this.setCount(this.#count);
  }

  #take(worker: WorkerHandle, message: FromWorker): void {
    switch (message.type) {
      case 'resolve':
        worker.send({ type: 'resolved', id: message.id, found: this.#deps.resolve(message.host) ?? null });
        break;
      case 'material':
        this.#keep(this.#giveMaterial(worker, message.id, message.slot));
        break;
      case 'applied':
        worker.applied = message.sequence;
        for (const refusal of message.refusals) this.#deps.onRefused(refusal);
        this.#deps.onProgress();
        break;
      case 'counters':
        worker.connections = message.counters.connections;
        worker.endpoints = message.endpoints;
        this.#deps.onCounters(worker, message.counters);
        break;
      case 'reclaim':
        this.#lanes.reclaim(worker, message.id);
        break;
      case 'warning':
        this.#deps.log.warn(message.message, { worker: worker.pid, ...message.fields });
        break;
      case 'listening':
      case 'listen-failed':
      case 'unlistened':
        break; // the handle's own
    }
  }

  /**
   * Sends what is current at that moment: reading the key takes time, and a worker that has been told of a newer version
   * must not get the older one afterwards.
   */
  async #giveMaterial(worker: WorkerHandle, id: number, slot: string): Promise<void> {
    let answer: MaterialAnswer;
    try {
      let found: SlotMaterial | undefined;
      do found = await this.#deps.material(slot);
      while (found?.versionId !== this.#deps.currentVersion(slot));
      answer = found ?? null;
    } catch (error) {
      this.#deps.log.error('The material of a certificate cannot be read.', { slot, error: String(error) });
      answer = 'unreadable';
    }
    worker.send({ type: 'material', id, found: answer });
  }
}

/** A worker could not listen on a bound socket; `errno` says why. */
export class ListenFailed extends Error {
  override readonly name = 'ListenFailed';
  readonly errno: string;

  constructor(errno: string) {
    super(`listen failed: ${errno}`);
    this.errno = errno;
  }
}
