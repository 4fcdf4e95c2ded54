import { concernsNames, problemKind } from '../acme/problems.ts';
import { AcmeTransport } from '../acme/transport.ts';
import type { AcmeIssuerConfig } from '../config/model.ts';
import { CertplaneError, toCertplaneError } from '../core/errors.ts';
import type { CertificateStore } from '../core/ports/certificate-store.ts';
import type { ChallengeSolver } from '../core/ports/challenge-solver.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { IssuanceRequest, Issuer, IssuerDescription, StepResult } from '../core/ports/issuer.ts';
import type { Log } from '../core/ports/log.ts';
import { createAccounts } from './acme-account.ts';
import { cleanUp, deactivatePending } from './acme-challenges.ts';
import { acmeSteps, readState, type AcmeData, type AcmeStep } from './acme-state.ts';
import { transitions } from './acme-steps.ts';
import { defined, openSession, type StepDeps, type Transition } from './acme-transition.ts';
import { retryStepAt } from './acme-wait.ts';
import { throwIfAborted } from './interrupted.ts';

export interface AcmeIssuerDeps {
  readonly config: AcmeIssuerConfig;
  readonly store: CertificateStore;
  /** What proves control of a name; undefined when nothing configured can. */
  readonly solverFor: (dnsName: string) => ChallengeSolver | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Certificates by ACME (RFC 8555), one transition at a time; `acmeSteps` says what each one does. Seven requests per
 * certificate of one name once the account exists, none of them newNonce. Disposing closes the connections to the CA.
 */
export function createAcmeIssuer({
  config,
  store,
  solverFor,
  clock,
  log: parent,
}: AcmeIssuerDeps): Issuer & AsyncDisposable {
  const log = parent.child({ issuer: config.name });
  const { directory, caBundlePem, name } = config;
  const transport = new AcmeTransport({ directory, caBundlePem, clock });
  const accounts = createAccounts({ config, store, transport, clock, log });
  const deps: StepDeps = { name, accounts, store, solverFor, clock, log, fresh: new Set(), presented: new Set() };
  let problem: IssuerDescription['problem'];

  function failure(error: CertplaneError, at: Transition, step: AcmeStep): StepResult {
    const { data } = at;
    const waitUntil = retryStepAt(error, step, data, clock.now());
    if (waitUntil !== undefined) {
      const tried = defined({ ...data, troubles: (data.troubles ?? 0) + 1 });
      return { kind: 'continue', state: { ...at.state, data: tried }, waitUntil, note: error.message };
    }
    const scope = isIssuerWide(error, at.request, data) ? 'issuer' : 'certificate';
    if (scope === 'issuer') problem = { code: error.code, message: error.message, until: error.retryAt };
    const state = { ...at.state, data: defined(data) };
    return { kind: 'failed', error, scope, state, nothingIssued: isNothingIssued(error, step) };
  }

  return {
    name,
    steps: acmeSteps,
    begin: () => ({ step: acmeSteps[0], data: {} }),

    async step(request, state, signal) {
      throwIfAborted(signal);
      let step: AcmeStep = 'account';
      let data: AcmeData = {};
      let isFirst = false;
      try {
        ({ step, data } = readState(state));
        isFirst = deps.fresh.has(data.attempt ?? '');
        const result = await transitions[step](deps, { request, state, data, signal });
        problem = undefined;
        return result;
      } catch (error) {
        throwIfAborted(signal);
        if (!(error instanceof CertplaneError)) throw error;
        if (step === 'order') data = { ...data, refused: isFirst && !mayBeHeard(error) ? true : undefined };
        const nothingOrdered = step === 'account' || (step === 'order' && isFirst && error.unsent);
        return { ...failure(error, { request, state, data, signal }, step), ...(nothingOrdered && { nothingOrdered }) };
      }
    },

    async abandon(request, state, signal) {
      throwIfAborted(signal);
      try {
        const { step, data } = readState(state);
        const at = { request, state, data, signal };
        const sent = step === 'order' && !deps.fresh.delete(data.attempt ?? '');
        if (sent && data.refused !== true) await accounts.noteUnanswered(request.certificateId, true, signal);
        await cleanUp(deps, at);
        const waiting = acmeSteps.indexOf(step) <= acmeSteps.indexOf('finalize');
        if (data.order !== undefined && waiting) await deactivatePending(await openSession(deps, at), at);
      } catch (error) {
        throwIfAborted(signal);
        const { code, message } = toCertplaneError(error);
        log.info('An order that was given up could not be cleaned up at the CA; it expires there.', { code, message });
      }
    },

    async describe(signal) {
      const account = await accounts.find(signal);
      return {
        name,
        kind: 'acme',
        directory,
        account: account?.url,
        termsOfService: account?.termsAgreed,
        problem,
      };
    },

    [Symbol.asyncDispose]: async () => await transport[Symbol.asyncDispose](),
  };
}

/** Whether a request that ended so may have reached the CA and been carried out. */
function mayBeHeard({ code, problem, unsent }: CertplaneError): boolean {
  switch (code) {
    case 'issuer.unreachable':
    case 'issuer.timeout':
    case 'issuer.response-invalid':
      return !unsent;
    case 'acme.server-error':
      return problemKind(problem) !== 'badNonce';
    default:
      return false;
  }
}

/** From `finalize` on only a verdict of the CA says so: a request whose answer is lost may have been heard. */
function isNothingIssued({ code, problem }: CertplaneError, step: AcmeStep): boolean {
  if (code === 'acme.challenge-failed') return true;
  if (code === 'acme.order-invalid') return problem !== undefined;
  return acmeSteps.indexOf(step) < acmeSteps.indexOf('finalize');
}

/** Whether the next certificate would fail the same way: the CA, its trust, the account or the store, not these names. */
function isIssuerWide(error: CertplaneError, request: IssuanceRequest, data: AcmeData): boolean {
  if (error.code.startsWith('store.')) return true;
  switch (error.code) {
    case 'issuer.unreachable':
    case 'issuer.timeout':
    case 'issuer.tls-untrusted':
    case 'issuer.response-invalid':
    case 'acme.server-error':
    case 'acme.terms-required':
      return true;
    case 'acme.account-rejected':
      return data.order === undefined;
    case 'acme.rate-limited':
      return !concernsNames(error.problem, request.dnsNames);
    default:
      return false;
  }
}
