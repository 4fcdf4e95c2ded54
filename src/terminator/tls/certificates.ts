import { createSecureContext, type SecureContext } from 'node:tls';
import type { Bundle } from '../../core/bundle.ts';
import { CertplaneError, toCertplaneError } from '../../core/errors.ts';
import type { Refusal } from '../../core/feed.ts';
import { wildcardFor } from '../../core/names.ts';
import type { MaterialAnswer, SlotId, SlotMaterial, SlotState, WorkerChange } from '../ipc/messages.ts';
import { Lru } from './lru.ts';

/** A certificate loaded for TLS. */
export interface InUse extends SlotState {
  readonly context: SecureContext;
}

/** Asks the supervisor. The callbacks run while its message is handled, before any later message is. */
export interface Lookups {
  resolve(host: string, done: (found: SlotState | null) => void): void;
  material(slot: SlotId, done: (found: MaterialAnswer) => void): void;
}

export interface CertificateLimits {
  /** Loaded contexts, 30-40 kB each. */
  readonly contexts: number;
  /** Hosts whose certificate is known, and as many that have none. */
  readonly hosts: number;
}

type CertificateChange = Extract<WorkerChange, { kind: 'certificate' }>;

/**
 * The certificates of one worker, loaded when first needed. A loaded version is replaced only by one that is loaded:
 * the old one serves until the new context stands.
 */
export class WorkerCertificates {
  readonly #lookups: Lookups;
  readonly #hosts: Lru<string, SlotState>;
  readonly #unknown: Lru<string, true>;
  readonly #contexts: Lru<SlotId, InUse>;
  readonly #resolving = new Map<string, Promise<SlotState | undefined>>();
  readonly #loading = new Map<SlotId, Promise<InUse | undefined>>();

  constructor(lookups: Lookups, limits: CertificateLimits) {
    this.#lookups = lookups;
    this.#hosts = new Lru(limits.hosts);
    this.#unknown = new Lru(limits.hosts);
    this.#contexts = new Lru(limits.contexts);
  }

  get loaded(): number {
    return this.#contexts.size;
  }

  /** What serves a host, if that is known and loaded already. */
  peek(host: string): InUse | undefined {
    const state = this.#hosts.get(host);
    return state === undefined ? undefined : this.#contexts.get(state.slot);
  }

  /** What serves a host; undefined when nothing does. */
  async use(host: string): Promise<InUse | undefined> {
    for (;;) {
      const state = await this.describe(host);
      if (state === undefined) return undefined;
      const found = this.#contexts.get(state.slot) ?? (await this.#load(state.slot));
      // Emptied while it was asked for; by now something else may answer for the host.
      if (found !== undefined || this.#hosts.get(host)?.slot === state.slot) return found;
    }
  }

  /** What would serve a host, without loading it. */
  async describe(host: string): Promise<SlotState | undefined> {
    if (this.#unknown.get(host) === true) return undefined;
    return this.#hosts.get(host) ?? (await this.#resolve(host));
  }

  /** The bundle that serves a host, for where a context is not enough; throws `terminator.cache-unreadable`. */
  async material(host: string): Promise<SlotMaterial | undefined> {
    const state = await this.describe(host);
    if (state === undefined) return undefined;
    const { promise, resolve } = Promise.withResolvers<MaterialAnswer>();
    this.#lookups.material(state.slot, resolve);
    const found = await promise;
    if (found === 'unreadable') throw unreadable();
    return found ?? undefined;
  }

  /**
   * Forgets, at once, what the changes make doubtful, and resolves when every loaded certificate among them is replaced.
   * What cannot be loaded is refused and the old version stays.
   */
  apply(changes: readonly CertificateChange[]): Promise<readonly Refusal[]> {
    const names = new Set(changes.flatMap((change) => change.names));
    const doubtful = (host: string): boolean => names.has(host) || names.has(wildcardFor(host) ?? '');
    this.#hosts.deleteWhere(doubtful);
    this.#unknown.deleteWhere(doubtful);
    const swaps: Promise<Refusal | undefined>[] = [];
    for (const { slot, gone } of changes) {
      if (slot === undefined) continue;
      if (gone === true) this.#contexts.delete(slot);
      else if (this.#contexts.has(slot)) swaps.push(this.#swap(slot));
    }
    return Promise.all(swaps).then((refusals) => refusals.filter((refusal) => refusal !== undefined));
  }

  #resolve(host: string): Promise<SlotState | undefined> {
    let pending = this.#resolving.get(host);
    if (pending === undefined) {
      const { promise, resolve } = Promise.withResolvers<SlotState | undefined>();
      pending = promise;
      this.#resolving.set(host, pending);
      this.#lookups.resolve(host, (found) => {
        this.#resolving.delete(host);
        if (found === null) this.#unknown.set(host, true);
        else this.#hosts.set(host, found);
        resolve(found ?? undefined);
      });
    }
    return pending;
  }

  #load(slot: SlotId): Promise<InUse | undefined> {
    let pending = this.#loading.get(slot);
    if (pending === undefined) {
      const { promise, resolve, reject } = Promise.withResolvers<InUse | undefined>();
      pending = promise;
      this.#loading.set(slot, pending);
      this.#lookups.material(slot, (found) => {
        this.#loading.delete(slot);
        try {
          if (found === 'unreadable') throw unreadable();
          resolve(found === null ? undefined : this.#store(found));
        } catch (error) {
          reject(error);
        }
      });
    }
    return pending;
  }

  #swap(slot: SlotId): Promise<Refusal | undefined> {
    const { promise, resolve } = Promise.withResolvers<Refusal | undefined>();
    this.#lookups.material(slot, (found) => {
      try {
        // Gone again meanwhile: the removal comes as a change of its own.
        if (found === 'unreadable') throw unreadable();
        if (found !== null && this.#contexts.has(slot)) this.#store(found);
        resolve(undefined);
      } catch (error) {
        const { code, message } = toCertplaneError(error, 'certificate.unparsable');
        resolve({ key: slot, code, message: `A worker cannot load it: ${message}` });
      }
    });
    return promise;
  }

  #store({ bundle, ...state }: SlotMaterial): InUse {
    const inUse = { ...state, context: contextOf(bundle) };
    this.#contexts.set(state.slot, inUse);
    return inUse;
  }
}

/** A context for SNICallback: certificate and key only, since node takes everything else from the server's own. */
function contextOf(bundle: Bundle): SecureContext {
  return createSecureContext({ cert: bundle.chainPem, key: bundle.keyPem });
}

function unreadable(): CertplaneError {
  return new CertplaneError('terminator.cache-unreadable', 'The key material cannot be read right now.');
}
