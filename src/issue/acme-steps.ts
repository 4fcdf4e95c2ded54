import { randomUUID } from 'node:crypto';
import { orderError, problemKind } from '../acme/problems.ts';
import { readBundle, splitChain } from '../core/bundle.ts';
import { CertplaneError } from '../core/errors.ts';
import type { StepResult } from '../core/ports/issuer.ts';
import { generatePrivateKey } from '../pki/keys.ts';
import {
  chooseChallenge,
  cleanUp,
  namesOf,
  present,
  requireSolvers,
  respond,
  validationError,
} from './acme-challenges.ts';
import { finalizeOrder, findOrder } from './acme-orders.ts';
import { orderOf, type AcmeData, type AcmeStep, type PendingChallenge } from './acme-state.ts';
import { next, openSession, poll, type StepDeps, type Transition } from './acme-transition.ts';
import { processingLimitMs, validationLimitMs } from './acme-wait.ts';

/** What each step does, in the order of `acmeSteps`. They throw CertplaneError; the issuer decides what it means. */
export const transitions: Readonly<Record<AcmeStep, (deps: StepDeps, at: Transition) => Promise<StepResult>>> = {
  async account(deps, at) {
    requireSolvers(deps, at.request.dnsNames);
    const session = await deps.accounts.session(at.signal);
    const attempt = randomUUID();
    if (!(await deps.accounts.isUnanswered(at.request.certificateId, at.signal))) deps.fresh.add(attempt);
    const data = { accountUrl: session.accountUrl, attempt, troubles: at.data.troubles };
    return next(at, 'order', data, 'The account is registered.');
  },

  async order(deps, at) {
    const session = await openSession(deps, at);
    const { accountUrl } = session;
    // Only the process that drew the mark, and only once, can be sure that the CA has not made this order already.
    const first = at.data.attempt !== undefined && deps.fresh.delete(at.data.attempt);
    try {
      const known = first ? undefined : await findOrder(deps, session, at);
      const { url, order } = known ?? (await session.newOrder(at.request.dnsNames, at.signal));
      if (!first) await deps.accounts.noteUnanswered(at.request.certificateId, false, at.signal);
      if (order.status === 'invalid') throw orderError(at.request.dnsNames, order.error);
      const { finalize, authorizations, expires: expiresAt } = order;
      const data = { order: { url, finalize, authorizations, expiresAt } };
      return next(at, 'authorize', data, `The CA ${known ? 'still has' : 'opened'} order ${url}.`);
    } catch (error) {
      if (!(error instanceof CertplaneError) || problemKind(error.problem) !== 'accountDoesNotExist') throw error;
      if (at.data.troubles !== undefined) throw error; // registered again just now, and still unknown
      await deps.accounts.forget(accountUrl, at.signal);
      const data = { accountUrl: undefined, troubles: 1 };
      return next(at, 'account', data, 'The CA does not know the account any more; it is registered again.');
    }
  },

  async authorize(deps, at) {
    const session = await openSession(deps, at);
    const challenges: PendingChallenge[] = [];
    for (const url of orderOf(at.data).authorizations) {
      const authorization = await session.authorization(url, at.signal);
      if (authorization.status !== 'valid') challenges.push(await chooseChallenge(session, url, authorization));
    }
    return challenges.length === 0
      ? next(at, 'key', {}, 'All names are still authorized from before.')
      : next(at, 'present', { challenges }, `The CA asks for proof of ${namesOf(challenges)}.`);
  },

  async present(deps, at) {
    await present(deps, at);
    const { challenges } = at.data;
    return next(at, 'respond', { challenges }, `The answers for ${namesOf(challenges)} are in place.`);
  },

  async respond(deps, at) {
    const session = await openSession(deps, at);
    const { challenges = [] } = at.data;
    await present(deps, at);
    for (const one of challenges) await respond(session, one, at.signal);
    return next(at, 'key', { challenges }, `The CA was asked to verify ${namesOf(challenges)}.`);
  },

  async key(deps, at) {
    await present(deps, at);
    const keyPem = at.state.keyPem ?? (await generatePrivateKey(at.request.key));
    const { challenges } = at.data;
    const result = next(at, 'finalize', { challenges }, 'The private key was made.');
    const state = { ...result.state, keyPem };
    // Validation takes the CA a moment; asking at once would only be one request more.
    return challenges === undefined ? { ...result, state } : { ...result, state, waitUntil: deps.clock.now() + 1000 };
  },

  async finalize(deps, at) {
    const { challenges } = at.data;
    if (at.state.keyPem === undefined) return next(at, 'key', { challenges }, 'The private key is missing.');
    const session = await openSession(deps, at);
    // Read first, always: before a restart the order may have been finalized without the answer being kept.
    let { value: order, retryAt } = await session.order(orderOf(at.data).url, at.signal);
    if (order.status === 'invalid') throw await validationError(session, at, order);
    if (order.status === 'pending') {
      if (spent(deps, at.data, validationLimitMs)) throw await validationError(session, at, order);
      await present(deps, at);
      return poll(deps, at, retryAt, `Waiting for the CA to verify ${namesOf(challenges)}.`);
    }
    if (order.status === 'ready') {
      const answer = await finalizeOrder(session, orderOf(at.data), at);
      if (answer === 'not-ready') return poll(deps, at, undefined, 'The CA is not ready for the request yet.');
      ({ value: order, retryAt } = answer);
    }
    const collectAt = order.status === 'valid' ? undefined : (retryAt ?? deps.clock.now() + 1000);
    const data = { challenges, collectAt };
    return next(at, 'clean-up', data, 'The CA has the certificate request.');
  },

  async 'clean-up'(deps, at) {
    await cleanUp(deps, at);
    const result = next(at, 'collect', {}, 'The answers to the challenges are taken away.');
    return at.data.collectAt === undefined ? result : { ...result, waitUntil: at.data.collectAt };
  },

  async collect(deps, at) {
    const session = await openSession(deps, at);
    const kept = orderOf(at.data);
    const { value: order, retryAt } = await session.order(kept.url, at.signal);
    if (order.status === 'invalid') throw orderError(at.request.dnsNames, order.error);
    if (order.status === 'valid' && order.certificate !== undefined) {
      const data = { order: { ...kept, certificate: order.certificate } };
      return next(at, 'download', data, 'The CA issued the certificate.');
    }
    if (spent(deps, at.data, processingLimitMs)) {
      const minutes = processingLimitMs / 60_000;
      const message = `The CA did not issue the certificate within ${minutes} minutes (the order is ${order.status}).`;
      throw new CertplaneError('acme.order-invalid', message);
    }
    return poll(deps, at, retryAt, 'Waiting for the CA to issue the certificate.');
  },

  async download(deps, at) {
    const session = await openSession(deps, at);
    const { certificate } = orderOf(at.data);
    const { keyPem } = at.state;
    if (certificate === undefined || keyPem === undefined)
      throw new CertplaneError('acme.order-invalid', 'The saved state lacks the key or address of the certificate.');
    const bundle = { chainPem: splitChain(await session.download(certificate, at.signal)).join(''), keyPem };
    readBundle(bundle, at.request.dnsNames);
    return { kind: 'issued', bundle };
  },
};

function spent(deps: StepDeps, { pollingSince }: AcmeData, limitMs: number): boolean {
  return pollingSince !== undefined && deps.clock.now() - pollingSince >= limitMs;
}
