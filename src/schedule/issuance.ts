import { nextAttemptAt } from '../core/backoff.ts';
import type { CertificateId } from '../core/certificate.ts';
import { CertplaneError, toCertplaneError } from '../core/errors.ts';
import { withDeadline } from '../core/deadline.ts';
import { canonicalNames } from '../core/names.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { IssuanceRequest, IssuanceState, Issuer, StepResult } from '../core/ports/issuer.ts';
import type { Log } from '../core/ports/log.ts';
import type { Failure, OrderRecord } from '../core/records.ts';
import type { Registry, RegistryEntry } from '../state/registry.ts';
import type { Budget } from './budget.ts';
import type { Ask } from './limits.ts';
import type { Decision } from './reconcile.ts';
import { digestOf } from './wants.ts';

/** An issuer bounds its own calls; this is for one that does not return, so that its slot comes back (never §5.6). */
export const stepLimitMs = 5 * 60_000;
const cleanUpLimitMs = 60_000;
/** An issuer that fails as a whole is tried again by one certificate after this, doubling up to a minute. */
const probeMs = 15_000;
const longestProbeMs = 60_000;

export interface IssuanceDeps {
  readonly registry: Registry;
  readonly budget: Budget;
  readonly clock: Clock;
  readonly log: Log;
  readonly issuer: (name: string) => Issuer | undefined;
}

type IssuedResult = Extract<StepResult, { kind: 'issued' }>;

/** What is known once a step has been taken is kept whatever happens: its writes take no signal that could prevent them. */
const always = new AbortController().signal;

export function askFor(
  { record, current }: RegistryEntry,
  issuer: string,
  names: readonly string[] = record.spec.dnsNames,
): Ask {
  const sameNames =
    current !== undefined && canonicalNames(current.names).join(' ') === canonicalNames(names).join(' ');
  return { issuer, certificateId: record.id, names, sameNames };
}

/** Takes orders through the steps of their issuer; everything is durable before the step that needs it (never §5.4). */
export class Issuance {
  readonly #deps: IssuanceDeps;
  /** In a row, until it issues or refuses a single certificate: that a step went well can be no work of the issuer's. */
  readonly #issuerFailures = new Map<string, number>();
  /** Issued by the order begun at that time and not yet kept, because the store could not: never asked for twice. */
  readonly #unkept = new Map<CertificateId, { readonly startedAt: number; readonly issued: IssuedResult }>();

  constructor(deps: IssuanceDeps) {
    this.#deps = deps;
  }

  /** Whether the issuer failed as a whole and has not answered for a single certificate since. */
  isProbed(issuer: string): boolean {
    return this.#issuerFailures.has(issuer);
  }

  /** Spends the budget and keeps the order's first state. False when the budget was spent meanwhile. */
  async begin(id: CertificateId, decision: Decision, signal: AbortSignal): Promise<boolean> {
    const { registry, budget, clock } = this.#deps;
    const entry = registry.entry(id);
    const issuerName = decision.issuer ?? '';
    const issuer = this.#deps.issuer(issuerName);
    if (entry === undefined || issuer === undefined) return false;
    if ((await budget.spend(askFor(entry, issuerName), signal)) !== undefined) return false;
    const { dnsNames, key, lifetimeMs } = entry.record.spec;
    const request = { dnsNames, key, ...(lifetimeMs === undefined ? {} : { lifetimeMs }) };
    this.#unkept.delete(id);
    const { step, data, keyPem } = issuer.begin({ certificateId: id, ...request });
    const order: OrderRecord = {
      certificateId: id,
      issuerName,
      request,
      digest: digestOf(entry.record.spec),
      reason: decision.reason,
      startedAt: clock.now(),
      step,
      data,
    };
    await registry.saveOrder(order, keyPem, signal);
    return true;
  }

  /** Steps until the order waits, is over, or the signal ends. Rejects when something could not be kept, or aborted. */
  async advance(id: CertificateId, signal: AbortSignal): Promise<void> {
    const { registry, clock } = this.#deps;
    let keyPem = await registry.orderKey(id, signal);
    for (;;) {
      const order = registry.entry(id)?.order;
      if (order === undefined || order.abandoning === true) return;
      const unkept = this.#unkept.get(id);
      const result = unkept?.startedAt === order.startedAt ? unkept.issued : await this.#step(order, keyPem, signal);
      if (result.kind === 'issued') return await this.#keep(order, result, signal);
      if (result.kind === 'failed') return await this.#fail(order, result, signal);
      const { state, waitUntil } = result;
      const { step, data } = state;
      const newKey = state.keyPem === keyPem ? undefined : state.keyPem;
      await registry.saveOrder({ ...order, step, data, waitUntil }, newKey, always);
      keyPem = state.keyPem;
      if (waitUntil !== undefined && waitUntil > clock.now()) return;
      signal.throwIfAborted();
    }
  }

  /** Does what is left of an order whose version is stored. */
  async finish(id: CertificateId, signal: AbortSignal): Promise<void> {
    const { registry } = this.#deps;
    await registry.finish(id, signal);
    if (registry.entry(id)?.order === undefined) this.#unkept.delete(id);
  }

  /** Cleans up after an order that failed or is not wanted any more, and ends it. */
  async abandon(id: CertificateId, signal: AbortSignal): Promise<void> {
    const { registry, clock, log } = this.#deps;
    const order = registry.entry(id)?.order;
    if (order === undefined) return;
    this.#unkept.delete(id);
    if (order.abandoning !== true) {
      await registry.saveOrder({ ...order, abandoning: true }, undefined, signal);
    }
    const issuer = this.#deps.issuer(order.issuerName);
    if (issuer === undefined) {
      log.warn('An order is dropped without clean-up: its issuer is no longer configured.', {
        certificate: id,
        issuer: order.issuerName,
      });
    } else {
      const state = stateOf(order, await registry.orderKey(id, signal));
      const limit = { clock, ms: cleanUpLimitMs, signal, what: 'Cleaning up after an order' };
      try {
        await withDeadline(limit, async (limited) => await issuer.abandon(requestOf(order), state, limited));
      } catch (error) {
        signal.throwIfAborted();
        log.warn('Cleaning up after an order failed.', { certificate: id, error: String(error) });
      }
    }
    await registry.endOrder(id, always);
  }

  async #step(order: OrderRecord, keyPem: string | undefined, signal: AbortSignal): Promise<StepResult> {
    const state = stateOf(order, keyPem);
    const failed = (error: CertplaneError): StepResult => ({ kind: 'failed', error, scope: 'certificate', state });
    const issuer = this.#deps.issuer(order.issuerName);
    if (issuer === undefined) {
      return failed(new CertplaneError('issuer.unknown', `No issuer ${order.issuerName} is configured.`));
    }
    const what = `The step ${order.step} of ${order.issuerName}`;
    try {
      const limit = { clock: this.#deps.clock, ms: stepLimitMs, signal, what };
      const step = async (limited: AbortSignal): Promise<StepResult> =>
        await issuer.step(requestOf(order), state, limited);
      const result = await withDeadline(limit, step);
      // A failure that was met while stopping says nothing about the order.
      if (result.kind === 'failed') signal.throwIfAborted();
      return result;
    } catch (error) {
      signal.throwIfAborted();
      const { log } = this.#deps;
      log.error('A step ended in an error.', { certificate: order.certificateId, step: order.step, error });
      return failed(toCertplaneError(error));
    }
  }

  async #keep(order: OrderRecord, issued: IssuedResult, signal: AbortSignal): Promise<void> {
    const { registry } = this.#deps;
    const { certificateId: id, issuerName } = order;
    this.#unkept.set(id, { startedAt: order.startedAt, issued });
    try {
      await registry.completeOrder(id, issued.bundle, always, issued.caPem);
    } catch (caught) {
      const error = toCertplaneError(caught);
      if (!error.code.startsWith('certificate.')) throw error;
      this.#unkept.delete(id);
      const state = stateOf(order, undefined);
      await this.#fail(order, { kind: 'failed', error, scope: 'certificate', state }, signal);
      return;
    }
    this.#unkept.delete(id);
    this.#issuerFailures.delete(issuerName);
  }

  async #fail(
    order: OrderRecord,
    { error, scope, state, nothingIssued, nothingOrdered }: Extract<StepResult, { kind: 'failed' }>,
    signal: AbortSignal,
  ): Promise<void> {
    const { registry, clock, log } = this.#deps;
    const { certificateId: id, issuerName } = order;
    const now = clock.now();
    const { code, message, problem } = error;
    await this.#keepPause(order, error, scope);
    const failure: Failure = {
      code,
      message,
      issuer: issuerName,
      at: now,
      ...(problem === undefined ? {} : { problem }),
    };
    const retryAt = this.#retryAt(id, error);
    log.warn('An issuance failed.', { certificate: id, issuer: issuerName, code, reason: message, retryAt });
    await registry.failOrder({ ...order, step: state.step, data: state.data }, failure, retryAt, always);
    const entry = registry.entry(id);
    // After the failure is kept: a crash in between costs a token, where twice the same refund would forge one.
    if (entry !== undefined && (nothingIssued === true || nothingOrdered === true)) {
      const what = nothingOrdered === true ? 'order' : 'certificate';
      await this.#deps.budget.refund(askFor(entry, issuerName, order.request.dnsNames), what, always);
    }
    await this.abandon(id, signal);
  }

  /** Kept before the failure itself, so that a crash in between forgets no Retry-After. */
  async #keepPause(order: OrderRecord, error: CertplaneError, scope: 'certificate' | 'issuer'): Promise<void> {
    const { budget, clock } = this.#deps;
    const { certificateId, issuerName, request } = order;
    if (scope === 'issuer') {
      const known = this.#issuerFailures.get(issuerName) ?? 0;
      // Those that were under way together fail together and count once.
      const times = budget.blockedUntil(issuerName) === undefined ? known + 1 : Math.max(1, known);
      this.#issuerFailures.set(issuerName, times);
      const probeAt = clock.now() + Math.min(longestProbeMs, probeMs * 2 ** Math.min(10, times - 1));
      await budget.block(issuerName, Math.max(probeAt, error.retryAt ?? 0), always);
    } else {
      this.#issuerFailures.delete(issuerName);
      if (error.retryAt !== undefined) await budget.block(issuerName, error.retryAt, always, certificateId);
    }
    if (error.code === 'acme.challenge-failed') {
      const named = error.problem?.subproblems?.flatMap(({ identifier }) => identifier?.value ?? []) ?? [];
      await budget.noteFailedNames(issuerName, named.length > 0 ? named : request.dnsNames, always);
    }
  }

  /** A Retry-After binds the issuer it came from: where there is another one, that is tried on the ladder meanwhile. */
  #retryAt(id: CertificateId, error: CertplaneError): number {
    const { registry, clock } = this.#deps;
    const entry = registry.entry(id);
    const now = clock.now();
    const { spec, failures = 0 } = entry?.record ?? {};
    const current = entry?.current;
    // Without a valid certificate the ladder is that of a new one of the same length: a day is no pause for 15 minutes.
    const lifetimeMs = current === undefined ? spec?.lifetimeMs : current.notAfter - current.notBefore;
    const retryAt = (spec?.issuers.length ?? 1) > 1 ? undefined : error.retryAt;
    return nextAttemptAt({ now, failures: failures + 1, notAfter: current?.notAfter, lifetimeMs, retryAt });
  }
}

function requestOf({ certificateId, request }: OrderRecord): IssuanceRequest {
  return { certificateId, ...request };
}

function stateOf({ step, data }: OrderRecord, keyPem: string | undefined): IssuanceState {
  return { step, data, ...(keyPem === undefined ? {} : { keyPem }) };
}
