/** Backends whose certificates nobody verifies (`verify: false`) are a problem for as long as the configuration says so. */
import type { ErrorCode } from '../core/errors.ts';
import type { TerminatorSettings } from '../core/terminator.ts';
import type { Notices } from './notices.ts';

const unverifiedCode: ErrorCode = 'backend.unverified';

export class UnverifiedBackends {
  readonly #notices: Pick<Notices, 'raise' | 'clear'>;
  #raised: ReadonlySet<string> = new Set();

  constructor(notices: Pick<Notices, 'raise' | 'clear'>) {
    this.#notices = notices;
  }

  inForce(settings: Pick<TerminatorSettings, 'backends'> | undefined): void {
    const names = Object.entries(settings?.backends ?? {}).filter(([, { tls }]) => tls?.verify === false);
    const now = new Set(names.map(([name]) => name));
    for (const name of this.#raised) if (!now.has(name)) this.#notices.clear(unverifiedCode, name);
    for (const name of now) {
      const message = `The certificate of the backend ${name} is not verified (verify: false), so that whoever is in between can read and change everything. Give its tls a ca, and leave verify out.`;
      this.#notices.raise(unverifiedCode, message, name);
    }
    this.#raised = now;
  }
}
