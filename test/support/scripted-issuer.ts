import { CertplaneError, type ErrorCode } from '../../src/core/errors.ts';
import type { Clock } from '../../src/core/ports/clock.ts';
import type {
  IssuanceRequest,
  IssuanceState,
  Issuer,
  IssuerDescription,
  StepResult,
} from '../../src/core/ports/issuer.ts';
import { quickCertificate, quickKey } from './quick-certificate.ts';

/** What a step does instead of going well. */
export type Mishap =
  | {
      readonly fail: ErrorCode;
      readonly scope?: 'certificate' | 'issuer';
      readonly retryAt?: number;
      readonly nothingIssued?: boolean;
      readonly nothingOrdered?: boolean;
    }
  | { readonly waitMs: number }
  | { readonly throws: Error }
  /** Until aborted. */
  | { readonly hangs: true }
  /** Until this resolves, then well. */
  | { readonly after: Promise<void> };

export type Script = (step: string, request: IssuanceRequest) => Mishap | undefined;

export interface Issued {
  readonly certificateId: string;
  readonly at: number;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly chainPem: string;
}

/** The CA's side: outlives restarts of whoever talks to it, and notices what must never happen. */
export class ScriptedCa {
  readonly clock: Clock;
  lifetimeMs: number;
  script: Script = () => undefined;
  readonly issued: Issued[] = [];
  /** Those that reached the client; a download that is repeated counts once. */
  readonly delivered = new Set<Issued>();
  readonly newOrders: { readonly certificateId: string; readonly at: number }[] = [];
  readonly calls: { readonly certificateId: string; readonly step: string; readonly at: number }[] = [];
  /** What went wrong that never may. */
  readonly violations: string[] = [];
  readonly presented = new Set<string>();
  readonly #open = new Map<string, string>();
  readonly #inFlight = new Set<string>();
  readonly #finalized = new Map<string, Issued>();
  #orders = 0;
  mostInFlight = 0;

  constructor(clock: Clock, lifetimeMs: number) {
    this.clock = clock;
    this.lifetimeMs = lifetimeMs;
  }

  enter(certificateId: string, step: string): void {
    this.calls.push({ certificateId, step, at: this.clock.now() });
    if (this.#inFlight.has(certificateId)) this.violations.push(`two steps at once for ${certificateId}`);
    this.#inFlight.add(certificateId);
    this.mostInFlight = Math.max(this.mostInFlight, this.#inFlight.size);
  }

  leave(certificateId: string): void {
    this.#inFlight.delete(certificateId);
  }

  /** As CAs do: asked again for the same while an order is open, it gives the same order. */
  newOrder(certificateId: string): string {
    const open = this.#open.get(certificateId);
    if (open !== undefined) return open;
    this.#orders += 1;
    const order = `order-${this.#orders}`;
    this.#open.set(certificateId, order);
    this.newOrders.push({ certificateId, at: this.clock.now() });
    return order;
  }

  finalize(order: string, request: IssuanceRequest, keyPem: string): void {
    if (this.#open.get(request.certificateId) !== order) this.violations.push(`${order} is not open`);
    if (this.#finalized.has(order)) return;
    const notBefore = Math.floor(this.clock.now() / 1000) * 1000;
    const notAfter = notBefore + (request.lifetimeMs ?? this.lifetimeMs);
    const chainPem = quickCertificate({ names: request.dnsNames, notBefore, notAfter, keyPem });
    const issued = { certificateId: request.certificateId, at: this.clock.now(), notBefore, notAfter, chainPem };
    this.#finalized.set(order, issued);
    this.issued.push(issued);
  }

  download(order: string, certificateId: string): string {
    const issued = this.#finalized.get(order);
    if (issued === undefined) throw new Error(`${order} was not finalized`);
    this.#open.delete(certificateId);
    this.delivered.add(issued);
    return issued.chainPem;
  }

  /** The client gives up; the order is not asked for again. */
  drop(certificateId: string): void {
    this.#open.delete(certificateId);
  }
}

/** One process's way to the CA. Its steps answer at once unless the script says otherwise. */
export class ScriptedIssuer implements Issuer {
  readonly name: string;
  readonly ca: ScriptedCa;
  readonly steps = ['order', 'key', 'validate', 'finalize', 'download'] as const;

  constructor(name: string, ca: ScriptedCa) {
    this.name = name;
    this.ca = ca;
  }

  begin(): IssuanceState {
    return { step: 'order', data: {} };
  }

  async step(request: IssuanceRequest, state: IssuanceState, signal: AbortSignal): Promise<StepResult> {
    signal.throwIfAborted();
    const { ca } = this;
    const { certificateId } = request;
    ca.enter(certificateId, state.step);
    try {
      await Promise.resolve();
      const mishap = ca.script(state.step, request);
      if (mishap !== undefined) {
        const result = await this.#meet(mishap, state, signal);
        if (result !== undefined) return result;
      }
      return this.#advance(request, state);
    } finally {
      ca.leave(certificateId);
    }
  }

  async abandon(request: IssuanceRequest, _state: IssuanceState, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await Promise.resolve();
    this.ca.presented.delete(request.certificateId);
    this.ca.drop(request.certificateId);
  }

  async describe(): Promise<IssuerDescription> {
    return await Promise.resolve({ name: this.name, kind: 'acme' });
  }

  async #meet(mishap: Mishap, state: IssuanceState, signal: AbortSignal): Promise<StepResult | undefined> {
    if ('fail' in mishap) {
      const { fail, scope = 'certificate', retryAt, nothingIssued, nothingOrdered } = mishap;
      const error = new CertplaneError(fail, 'Scripted.', retryAt === undefined ? {} : { retryAt });
      return { kind: 'failed', error, scope, state, nothingIssued, nothingOrdered };
    }
    if ('waitMs' in mishap) {
      return { kind: 'continue', state, waitUntil: this.ca.clock.now() + mishap.waitMs, note: 'It waits.' };
    }
    if ('throws' in mishap) throw mishap.throws;
    if ('after' in mishap) {
      await mishap.after;
      signal.throwIfAborted();
      return undefined;
    }
    signal.throwIfAborted(); // it may have been aborted since the step began, and would not be again
    return await new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
  }

  #advance(request: IssuanceRequest, { step, data, keyPem }: IssuanceState): StepResult {
    const { certificateId } = request;
    const order = String(data['order']);
    const next = (to: string, more: Partial<IssuanceState> = {}): StepResult => {
      const kept = keyPem === undefined ? {} : { keyPem };
      return { kind: 'continue', state: { step: to, data, ...kept, ...more }, note: `${step} is done.` };
    };
    switch (step) {
      case 'order':
        return next('key', { data: { order: this.ca.newOrder(certificateId) } });
      case 'key':
        return next('validate', { keyPem: keyPem ?? quickKey() });
      case 'validate':
        this.ca.presented.add(certificateId);
        return next('finalize');
      case 'finalize':
        if (keyPem === undefined) this.ca.violations.push(`the key of ${certificateId} was lost`);
        this.ca.finalize(order, request, keyPem ?? quickKey());
        return next('download');
      default:
        this.ca.presented.delete(certificateId);
        return { kind: 'issued', bundle: { chainPem: this.ca.download(order, certificateId), keyPem: keyPem ?? '' } };
    }
  }
}
