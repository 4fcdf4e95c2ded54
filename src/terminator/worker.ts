/** A worker process: the data plane, and the channel to the supervisor. Nothing else is loaded here. */
import { setFlagsFromString } from 'node:v8';
import { CertplaneError } from '../core/errors.ts';
import type { Refusal } from '../core/feed.ts';
import type { ListenTarget } from './accept/listeners.ts';
import type { FromWorker, HostState, MaterialAnswer, ToWorker } from './ipc/messages.ts';
import { DataPlane } from './plane/data-plane.ts';
import { dropRights } from './plane/drop-rights.ts';

type Start = Extract<ToWorker, { type: 'start' }>;

// Bodies pass through in memory outside the heap. By default V8 answers so much of it with full collections, ten a second
// during an upload; as a part of the heap's own limit it is collected with what is young. A V8 without the flag says so.
setFlagsFromString('--external-memory-accounted-in-global-limit');

const countersEveryMs = 1_000;
const sameWarningEveryMs = 5_000;

/** Pairs questions with answers. Answers run their callback in the order in which they came. */
class Questions<T> {
  readonly #waiting = new Map<number, (found: T) => void>();
  #last = 0;

  ask(done: (found: T) => void): number {
    this.#last += 1;
    this.#waiting.set(this.#last, done);
    return this.#last;
  }

  answer(id: number, found: T): void {
    this.#waiting.get(id)?.(found);
    this.#waiting.delete(id);
  }
}

class Worker {
  readonly #resolves = new Questions<HostState | null>();
  readonly #materials = new Questions<MaterialAnswer>();
  readonly #warnedAt = new Map<string, number>();
  #plane: DataPlane | undefined;
  #drainMs = 30_000;
  /** Acknowledgements go out in order of their changes. */
  #applied: Promise<void> = Promise.resolve();
  #ending = false;

  run(): void {
    process.title = 'certplane worker';
    // Ctrl-C reaches the whole process group; when to stop is the supervisor's word.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
    process.on('message', (message: ToWorker, handle: unknown) => this.#take(message, handle));
    process.on('disconnect', () => this.#end(this.#drainMs));
    setInterval(() => this.#report(), countersEveryMs).unref();
  }

  #take(message: ToWorker, handle: unknown): void {
    switch (message.type) {
      case 'start':
        this.#plane = this.#start(message);
        break;
      case 'listen':
        this.#listen(message.id, message.protocol, handle as ListenTarget);
        break;
      case 'unlisten':
        this.#plane?.unlisten(message.id);
        this.#send({ type: 'unlistened', id: message.id });
        break;
      case 'apply':
        this.#apply(message);
        break;
      case 'resolved':
        this.#resolves.answer(message.id, message.found);
        break;
      case 'material':
        this.#materials.answer(message.id, message.found);
        break;
      case 'drain':
        this.#end(message.deadlineMs);
        break;
    }
  }

  #start({ settings, challenges, ticketKeys, account }: Start): DataPlane {
    this.#drainMs = settings.settings.timeouts.drainMs;
    const plane = new DataPlane({
      settings,
      challenges,
      ticketKeys,
      lookups: {
        resolve: (host, done) => this.#send({ type: 'resolve', id: this.#resolves.ask(done), host }),
        material: (slot, done) => this.#send({ type: 'material', id: this.#materials.ask(done), slot }),
      },
      reclaim: (id) => this.#send({ type: 'reclaim', id }),
      onWarning: (message, fields) => this.#warn(message, fields),
    });
    if (account !== undefined) {
      plane.openAccessLog(account);
      dropRights(account);
    }
    return plane;
  }

  #listen(id: number, protocol: 'https' | 'http', target: ListenTarget): void {
    const plane = this.#plane;
    if (plane === undefined) throw new CertplaneError('internal.unexpected', 'A socket came before the settings.');
    plane.listen(id, protocol, target).then(
      () => this.#send({ type: 'listening', id }),
      (error: NodeJS.ErrnoException) => this.#send({ type: 'listen-failed', id, code: error.code ?? 'unknown' }),
    );
  }

  #apply({ sequence, changes }: Extract<ToWorker, { type: 'apply' }>): void {
    for (const change of changes)
      if (change.kind === 'settings') this.#drainMs = change.settings.settings.timeouts.drainMs;
    const applying = this.#plane?.apply(changes) ?? Promise.resolve([]);
    this.#applied = this.#acknowledge(this.#applied, sequence, applying);
  }

  async #acknowledge(before: Promise<void>, sequence: number, applying: Promise<readonly Refusal[]>): Promise<void> {
    await before;
    this.#send({ type: 'applied', sequence, refusals: await applying });
  }

  #end(deadlineMs: number): void {
    if (this.#ending) return;
    this.#ending = true;
    (this.#plane?.drain(deadlineMs) ?? Promise.resolve()).then(
      () => this.#leave(0),
      () => this.#leave(1),
    );
  }

  /** The last counts go out first. */
  #leave(code: number): void {
    const counters = this.#plane?.counters.take();
    if (counters === undefined || !process.connected) process.exit(code);
    process.send?.({ type: 'counters', counters, endpoints: [] } satisfies FromWorker, undefined, {}, () =>
      process.exit(code),
    );
  }

  #report(): void {
    if (this.#plane !== undefined)
      this.#send({ type: 'counters', counters: this.#plane.counters.take(), endpoints: this.#plane.endpoints() });
  }

  /** At most one of a kind every few seconds: a dead backend under load would drown the log. */
  #warn(message: string, fields: Readonly<Record<string, unknown>>): void {
    const kind = [message, fields['backend'], fields['reason'], fields['client'], fields['host']].join(' ');
    const now = Date.now();
    if (now - (this.#warnedAt.get(kind) ?? 0) < sameWarningEveryMs) return;
    if (this.#warnedAt.size > 1_000) this.#warnedAt.clear();
    this.#warnedAt.set(kind, now);
    this.#send({ type: 'warning', message, fields });
  }

  #send(message: FromWorker): void {
    // Without a supervisor there is nobody to tell; `disconnect` has begun the end.
    if (process.connected) process.send?.(message, undefined, {}, () => undefined);
  }
}

new Worker().run();
