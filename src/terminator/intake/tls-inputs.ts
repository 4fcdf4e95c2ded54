/** What workers need for TLS besides certificates: the files that settings name, and the keys of session tickets. */
import type { Clock } from '../../core/ports/clock.ts';
import type { TerminatorSettings } from '../../core/terminator.ts';
import type { WorkerChange } from '../ipc/messages.ts';
import type { Problems } from './problems.ts';
import { TicketKeys } from './ticket-keys.ts';
import { TrustFiles } from './trust-files.ts';

export interface TlsInputsDeps {
  readonly clock: Clock;
  readonly problems: Problems;
  /** Tells the workers. */
  apply(change: WorkerChange): void;
  /** The texts of files are other ones: the workers need their settings again. */
  onFiles(): void;
}

export class TlsInputs {
  readonly #deps: TlsInputsDeps;
  readonly #trust: TrustFiles;
  readonly #tickets: TicketKeys;

  constructor(deps: TlsInputsDeps) {
    this.#deps = deps;
    const { clock, problems } = deps;
    this.#trust = new TrustFiles({ clock, problems, onChange: () => deps.onFiles() });
    this.#tickets = new TicketKeys({ clock, problems, onChange: () => this.#tellKeys() });
  }

  /** Text by path. */
  get files(): Readonly<Record<string, string>> {
    return this.#trust.texts;
  }

  get ticketKeys(): readonly string[] {
    return this.#tickets.list;
  }

  /** Resolves when what the settings name has been read. */
  async update(settings: TerminatorSettings): Promise<void> {
    const [, keysChanged] = await Promise.all([
      this.#trust.update(settings),
      this.#tickets.useFile(settings.ticketKeysFile),
    ]);
    if (keysChanged) this.#tellKeys();
  }

  /** Until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#trust.run(signal), this.#tickets.run(signal)]);
  }

  #tellKeys(): void {
    this.#deps.apply({ kind: 'ticket-keys', keys: this.#tickets.list });
  }
}
