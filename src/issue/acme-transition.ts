import type { CertificateStore } from '../core/ports/certificate-store.ts';
import type { ChallengeSolver } from '../core/ports/challenge-solver.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { IssuanceRequest, IssuanceState, StepResult } from '../core/ports/issuer.ts';
import type { Log } from '../core/ports/log.ts';
import type { AcmeSession } from '../acme/session.ts';
import { requireAccount, type Accounts } from './acme-account.ts';
import type { AcmeData, AcmeStep } from './acme-state.ts';
import { pollAt } from './acme-wait.ts';

export interface StepDeps {
  /** The issuer's name. */
  readonly name: string;
  readonly accounts: Accounts;
  readonly store: CertificateStore;
  readonly solverFor: (dnsName: string) => ChallengeSolver | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** Attempts drawn in this process whose newOrder has not been sent, nor one before it without an answer. */
  readonly fresh: Set<string>;
  /** Tokens whose answers this process has put in place; what another one presented may have gone with it. */
  readonly presented: Set<string>;
}

/** One transition: what it starts from. */
export interface Transition {
  readonly request: IssuanceRequest;
  readonly state: IssuanceState;
  readonly data: AcmeData;
  readonly signal: AbortSignal;
}

export type Continue = Extract<StepResult, { kind: 'continue' }>;

/** The transition to `step`: account and order stay, counters of the finished step go, `data` is added. */
export function next(at: Transition, step: AcmeStep, data: AcmeData, note: string): Continue {
  const { accountUrl, order } = at.data;
  return { kind: 'continue', state: { ...at.state, step, data: defined({ accountUrl, order, ...data }) }, note };
}

/** The same step again, when the CA wants to be asked. */
export function poll(deps: StepDeps, at: Transition, retryAt: number | undefined, note: string): Continue {
  const now = deps.clock.now();
  const { polls = 0, pollingSince = now } = at.data;
  const data = defined({ ...at.data, polls: polls + 1, pollingSince, troubles: undefined });
  return { kind: 'continue', state: { ...at.state, data }, waitUntil: pollAt(now, at.data, retryAt), note };
}

export async function openSession(deps: StepDeps, at: Transition): Promise<AcmeSession> {
  const session = await deps.accounts.session(at.signal);
  requireAccount(session, at.data.accountUrl);
  return session;
}

/** States travel as JSON, where a field that is undefined does not exist. */
export function defined(data: AcmeData): AcmeData {
  return Object.fromEntries(Object.entries(data).filter(([, value]) => value !== undefined));
}
