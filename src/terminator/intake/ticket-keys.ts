/** The keys of session tickets, the same for all workers: our own, changed twice a day, or a fleet's from a file. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../core/ports/clock.ts';
import { ticketKeysIn, wrongWithTicketKeys } from '../../core/ticket-key-file.ts';
import type { Problems } from './problems.ts';
import { wait } from './wait.ts';
import { WatchedFiles } from './watched-files.ts';

export interface TicketKeysDeps {
  readonly clock: Clock;
  readonly problems: Problems;
  /** The list is another one. */
  onChange(): void;
}

interface OwnKey {
  readonly text: string;
  readonly madeAt: number;
}

const keyBytes = 48;
/** A key encrypts for so long… */
const rotateMs = 12 * 3_600_000;
/** …and after so long nobody knows it any more: what was recorded under it stays secret from then on. */
const keepMs = 24 * 3_600_000;
/** How often to look whether it is time. */
const lookMs = 600_000;

export class TicketKeys {
  readonly #deps: TicketKeysDeps;
  readonly #files: WatchedFiles;
  #own: readonly OwnKey[];
  #path: string | undefined;

  constructor(deps: TicketKeysDeps) {
    this.#deps = deps;
    this.#own = [newKey(deps.clock.now())];
    this.#files = new WatchedFiles(
      { ...deps, check: (_path, text) => wrongWithTicketKeys(text) },
      { name: 'ticket-keys', maxBytes: 65_536 },
    );
  }

  /** Base64, 48 bytes each; the first one encrypts. Our own as long as the file has never been readable. */
  get list(): readonly string[] {
    const text = this.#path === undefined ? undefined : this.#files.texts[this.#path];
    return text === undefined ? this.#own.map((key) => key.text) : ticketKeysIn(text);
  }

  /** Resolves when the file has been read. True: the list is another one, which `onChange` does not say. */
  async useFile(path: string | undefined): Promise<boolean> {
    const before = this.list.join();
    this.#path = path;
    await this.#files.watch(new Set(path === undefined ? [] : [path]));
    return this.list.join() !== before;
  }

  /** Changes our own keys and looks after the file until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#files.run(signal), this.#rotate(signal)]);
  }

  async #rotate(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    while (await wait(clock, clock.now() + lookMs, { signal })) {
      const now = clock.now();
      if (now - (this.#own[0]?.madeAt ?? 0) < rotateMs) continue;
      const before = this.list.join();
      this.#own = [newKey(now), ...this.#own.filter((key) => now - key.madeAt < keepMs)];
      if (this.list.join() !== before) this.#deps.onChange();
    }
  }
}

function newKey(now: number): OwnKey {
  return { text: randomBytes(keyBytes).toString('base64'), madeAt: now };
}
