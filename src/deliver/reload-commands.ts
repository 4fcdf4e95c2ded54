/** The same command for many outputs is run once for all of them: a thousand renewals are not a thousand reloads. */
import { Serial } from '../core/serial.ts';
import type { Clock } from '../core/ports/clock.ts';
import { runReloadCommand, type ReloadCommand } from './reload-command.ts';
import { Slots } from './slots.ts';

/** A run waits until nobody has asked for it for this long, and this long at most. */
const quietMs = 500;
const longestMs = 10_000;
/** Different commands at once. */
const commandSlots = 8;

export interface ReloadRequest {
  /** Program and arguments. */
  readonly argv: readonly string[];
  readonly timeoutMs: number;
  /** The key just written (PEM): no line of it stays in what is told of the command's output. */
  readonly keyPem: string;
}

/** One run to come, or under way, and who waits for its end. */
interface Batch {
  readonly over: AbortController;
  readonly keyPems: Set<string>;
  timeoutMs: number;
  asked: number;
  waiting: number;
  /** That of the run. */
  outcome: Promise<void>;
}

export interface ReloadCommandsDeps {
  readonly clock: Clock;
  /** Left out: `runReloadCommand`. */
  readonly execute?: (command: ReloadCommand, signal: AbortSignal) => Promise<void>;
}

export class ReloadCommands {
  readonly #clock: Clock;
  readonly #execute: (command: ReloadCommand, signal: AbortSignal) => Promise<void>;
  readonly #serial = new Serial();
  readonly #slots: Slots;
  /** By command: the run that has not begun and can take on more. */
  readonly #open = new Map<string, Batch>();

  constructor({ clock, execute = runReloadCommand }: ReloadCommandsDeps) {
    this.#clock = clock;
    this.#execute = execute;
    this.#slots = new Slots(commandSlots, clock);
  }

  /**
   * Resolves when the command has succeeded in a run that began after this call; one that is under way does not count.
   * Runs of one command follow each other. Throws what `runReloadCommand` throws, all whom the run was for the same, or
   * the signal's reason; the run ends with the last one who waits for it.
   */
  async run({ argv, timeoutMs, keyPem }: ReloadRequest, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const key = JSON.stringify(argv);
    const batch = this.#open.get(key) ?? this.#begin(key, argv);
    batch.asked += 1;
    batch.waiting += 1;
    batch.keyPems.add(keyPem);
    batch.timeoutMs = Math.max(batch.timeoutMs, timeoutMs);
    const leave = (): void => {
      batch.waiting -= 1;
      if (batch.waiting > 0) return;
      this.#close(key, batch);
      batch.over.abort();
    };
    signal.addEventListener('abort', leave, { once: true });
    try {
      await batch.outcome;
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  #begin(key: string, argv: readonly string[]): Batch {
    const over = new AbortController();
    const batch: Batch = {
      over,
      keyPems: new Set(),
      timeoutMs: 0,
      asked: 0,
      waiting: 0,
      outcome: Promise.resolve(),
    };
    const work = async (): Promise<void> => {
      await this.#quiet(batch);
      await this.#slots.run(async () => {
        this.#close(key, batch);
        const { timeoutMs, keyPems } = batch;
        await this.#execute({ argv, timeoutMs, clock: this.#clock, keyPems: [...keyPems] }, over.signal);
      }, over.signal);
    };
    this.#open.set(key, batch);
    batch.outcome = this.#serial.run(key, work, over.signal);
    return batch;
  }

  async #quiet(batch: Batch): Promise<void> {
    let asked = -1;
    for (let waitedMs = 0; waitedMs < longestMs && asked !== batch.asked; waitedMs += quietMs) {
      asked = batch.asked;
      await this.#clock.sleep(quietMs, batch.over.signal);
    }
  }

  #close(key: string, batch: Batch): void {
    if (this.#open.get(key) === batch) this.#open.delete(key);
  }
}
