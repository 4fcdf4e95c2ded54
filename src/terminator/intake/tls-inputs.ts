/** What workers need for TLS besides certificates: files that settings name, keys of session tickets, OCSP responses. */
import type { Clock } from '../../core/ports/clock.ts';
import type { TerminatorSettings } from '../../core/terminator.ts';
import type { SlotMaterial, WorkerChange, WorkerSettings } from '../ipc/messages.ts';
import { Staples, type StaplesDeps } from './ocsp/staples.ts';
import { checkPolicies } from './policy-check.ts';
import type { Problems } from './problems.ts';
import { TicketKeys } from './ticket-keys.ts';
import { TrustFiles } from './trust-files.ts';

export interface TlsInputsDeps {
  readonly clock: Clock;
  readonly problems: Problems;
  /** Tells the workers. */
  apply(change: WorkerChange): void;
  /** What a slot has now. */
  current: StaplesDeps['current'];
  /** The texts of files are other ones, or lists have run out: the workers need their settings again. */
  onFiles(): void;
}

export class TlsInputs {
  readonly #deps: TlsInputsDeps;
  readonly #trust: TrustFiles;
  readonly #tickets: TicketKeys;
  readonly #staples: Staples;

  constructor(deps: TlsInputsDeps) {
    this.#deps = deps;
    const { clock, problems } = deps;
    this.#trust = new TrustFiles({ clock, problems, onChange: () => deps.onFiles() });
    this.#tickets = new TicketKeys({ clock, problems, onChange: () => this.#tellKeys() });
    this.#staples = new Staples({
      clock,
      problems,
      current: (slot) => deps.current(slot),
      apply: (change) => deps.apply(change),
    });
  }

  get trust(): Pick<WorkerSettings, 'files' | 'endedLists'> {
    return { files: this.#trust.texts, endedLists: this.#trust.endedLists };
  }

  get ticketKeys(): readonly string[] {
    return this.#tickets.list;
  }

  /** What a worker gets: with the OCSP response, where there is one. */
  async stapled(loading: Promise<SlotMaterial | undefined>): Promise<SlotMaterial | undefined> {
    const material = await loading;
    return material && this.#staples.attach(material);
  }

  /** Resolves when what the settings name has been read. */
  async update(settings: TerminatorSettings): Promise<void> {
    checkPolicies(settings, this.#deps.problems);
    this.#staples.want(
      [settings.tls, ...settings.hosts.map(({ tls }) => tls)].some((tls) => tls?.ocspStapling === true),
    );
    const [, keysChanged] = await Promise.all([
      this.#trust.update(settings),
      this.#tickets.useFile(settings.ticketKeysFile),
    ]);
    if (keysChanged) this.#tellKeys();
  }

  /** Until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#trust.run(signal), this.#tickets.run(signal), this.#staples.run(signal)]);
  }

  #tellKeys(): void {
    this.#deps.apply({ kind: 'ticket-keys', keys: this.#tickets.list });
  }
}
