import { type Authorization, type Order, validToken } from '../acme/documents.ts';
import { challengeError, orderError } from '../acme/problems.ts';
import type { AcmeSession } from '../acme/session.ts';
import { CertplaneError, hasCode, toCertplaneError, type ProblemDocument } from '../core/errors.ts';
import { isWildcard } from '../core/names.ts';
import type { Challenge, ChallengeSolver } from '../core/ports/challenge-solver.ts';
import type { PendingChallenge } from './acme-state.ts';
import type { StepDeps, Transition } from './acme-transition.ts';
import { validationLimitMs } from './acme-wait.ts';

/** Throws `challenge.no-solver` before anything is asked of the CA. */
export function requireSolvers(deps: StepDeps, dnsNames: readonly string[]): void {
  for (const name of dnsNames) requireSolver(deps, name);
}

/** The http-01 challenge of an authorization, with all that is needed to present it. */
export async function chooseChallenge(
  session: AcmeSession,
  authorizationUrl: string,
  authorization: Authorization,
): Promise<PendingChallenge> {
  const name = authorization.identifier.value.toLowerCase();
  if (authorization.status !== 'pending') {
    const message = `The authorization of ${name} is ${authorization.status}, so the order cannot be used.`;
    throw new CertplaneError('acme.order-invalid', message);
  }
  const challenge = authorization.challenges.find(({ type }) => type === 'http-01');
  if (challenge === undefined || authorization.wildcard === true)
    throw new CertplaneError('challenge.no-solver', `The CA offers no http-01 challenge for ${name}.`);
  const { url, token } = challenge;
  if (url === undefined || token === undefined || !validToken.test(token))
    throw new CertplaneError(
      'issuer.response-invalid',
      `The CA sent an http-01 challenge for ${name} without a token.`,
    );
  return { name, authorizationUrl, url, token, keyAuthorization: await session.keyAuthorization(token) };
}

/**
 * Puts all answers in place together, those that are not there by this process; when one fails the others are already in
 * the state, to be cleaned up. Needed again in every step in which the CA may still look: a listener of our own forgets
 * its answers with the process.
 */
export async function present(deps: StepDeps, at: Transition): Promise<void> {
  const missing = (at.data.challenges ?? []).filter(({ token }) => !deps.presented.has(token));
  const presented = missing.map(async (one) => {
    await requireSolver(deps, one.name).present(toChallenge(one, at.request.certificateId), at.signal);
    deps.presented.add(one.token);
  });
  const failed = (await Promise.allSettled(presented)).find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}

/** Asks for validation; a challenge that the CA is at already, from before a restart, is fine as it is. */
export async function respond(session: AcmeSession, one: PendingChallenge, signal: AbortSignal): Promise<void> {
  try {
    await session.respond(one.url, signal);
  } catch (error) {
    if (!hasCode(error, 'acme.rejected')) throw error;
    const authorization = await session.authorization(one.authorizationUrl, signal);
    const challenge = authorization.challenges.find(({ url }) => url === one.url);
    if (authorization.status === 'pending' && challenge?.status === 'pending') throw error;
  }
}

/** Why names could not be verified, asked of each authorization: the order alone often does not say. */
export async function validationError(session: AcmeSession, at: Transition, order: Order): Promise<CertplaneError> {
  const failures: { name: string; problem: ProblemDocument | undefined }[] = [];
  for (const one of at.data.challenges ?? []) {
    const authorization = await session.authorization(one.authorizationUrl, at.signal);
    if (authorization.status === 'valid' || authorization.status === 'pending') continue;
    const problem = authorization.challenges.find(({ error }) => error !== undefined)?.error;
    failures.push({ name: one.name, problem });
  }
  if (failures.length > 0) return challengeError(failures);
  if (order.status === 'invalid') return orderError(at.request.dnsNames, order.error);
  const minutes = validationLimitMs / 60_000;
  const message = `The CA did not finish verifying ${namesOf(at.data.challenges)} within ${minutes} minutes.`;
  return new CertplaneError('acme.challenge-failed', message);
}

/** Best effort: what cannot be taken away is logged and does not hold up the certificate. */
export async function cleanUp(deps: StepDeps, at: Transition): Promise<void> {
  for (const one of at.data.challenges ?? []) {
    deps.presented.delete(one.token);
    try {
      await deps.solverFor(one.name)?.cleanUp(toChallenge(one, at.request.certificateId), at.signal);
    } catch (error) {
      if (at.signal.aborted) throw error;
      const { code, message } = toCertplaneError(error);
      deps.log.warn('The answer to a challenge could not be taken away.', { name: one.name, code, message });
    }
  }
}

/** Ends authorizations that still wait, which count against the account; those that are valid are kept for next time. */
export async function deactivatePending(session: AcmeSession, at: Transition): Promise<void> {
  for (const url of at.data.order?.authorizations ?? []) {
    const { status } = await session.authorization(url, at.signal);
    if (status === 'pending') await session.deactivate(url, at.signal);
  }
}

export function namesOf(challenges: readonly PendingChallenge[] = []): string {
  const names = challenges.map(({ name }) => name);
  return names.length > 5 ? `${names.slice(0, 4).join(', ')} and ${names.length - 4} more` : names.join(', ');
}

function requireSolver(deps: StepDeps, dnsName: string): ChallengeSolver {
  const solver = isWildcard(dnsName) ? undefined : deps.solverFor(dnsName);
  if (solver !== undefined) return solver;
  throw new CertplaneError(
    'challenge.no-solver',
    isWildcard(dnsName)
      ? `${dnsName} is a wildcard, which a CA verifies over DNS only (not http-01). Name the hosts one by one, or use a private CA.`
      : `No solver of issuer ${deps.name} is for ${dnsName}. Add one, or widen its dnsNames or dnsZones.`,
  );
}

function toChallenge({ name, token, keyAuthorization }: PendingChallenge, certificateId: string): Challenge {
  return { type: 'http-01', identifier: name, token, keyAuthorization, certificateId };
}
