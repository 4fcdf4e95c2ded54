/** As whom workers run. */
import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { findAccount, type Account } from '../../core/accounts.ts';
import { CertplaneError, type ErrorCode } from '../../core/errors.ts';
import type { Log } from '../../core/ports/log.ts';
import type { TerminatorSettings } from '../../core/terminator.ts';

type RunAs = TerminatorSettings['runAs'];

export interface WorkerAccountDeps {
  readonly log: Pick<Log, 'warn'>;
  /** What is wrong with the settings, or that nothing is. */
  onProblem(problem: { readonly code: ErrorCode; readonly message: string } | undefined): void;
}

/** Decided once: a worker cannot change its user again, and all of them are to have the same rights. */
export class WorkerAccount {
  readonly #deps: WorkerAccountDeps;
  #decided: { readonly account: Account | undefined; readonly runAs: RunAs } | undefined;

  constructor(deps: WorkerAccountDeps) {
    this.#deps = deps;
  }

  /** Undefined: workers keep the rights of this process. */
  get account(): Account | undefined {
    return this.#decided?.account;
  }

  get asRoot(): boolean {
    return this.account === undefined && isRoot();
  }

  /** Returns why no worker may start yet; what is wrong later on, or only ignored, is told as a problem. */
  async settle(runAs: RunAs): Promise<CertplaneError | undefined> {
    if (this.#decided === undefined) {
      const account = runAs === undefined || !isRoot() ? undefined : await find(runAs);
      if (account instanceof CertplaneError) return account;
      this.#decided = { account, runAs };
      if (this.asRoot) this.#deps.log.warn('Workers run as root. Write terminator.user, and they give its rights up.');
    }
    this.#deps.onProblem(this.#wrongWith(runAs));
    return undefined;
  }

  #wrongWith(runAs: RunAs): Parameters<WorkerAccountDeps['onProblem']>[0] {
    if (runAs !== undefined && !isRoot()) {
      const message = `Workers cannot run as ${runAs.user}, because that needs root. Start the terminator as root, or leave terminator.user out.`;
      return { code: 'terminator.user-unusable', message };
    }
    if (isDeepStrictEqual(runAs, this.#decided?.runAs)) return undefined;
    const message = 'terminator.user or terminator.group has changed; it takes effect after a restart.';
    return { code: 'config.restart-needed', message };
  }
}

async function find(runAs: NonNullable<RunAs>): Promise<Account | CertplaneError> {
  const [passwd, group] = await Promise.all([readFile('/etc/passwd', 'utf8'), readFile('/etc/group', 'utf8')]);
  const account = findAccount(runAs, { passwd, group });
  return typeof account === 'string'
    ? new CertplaneError('terminator.user-unusable', `terminator.user: ${account}`)
    : account;
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}
