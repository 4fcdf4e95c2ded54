import { createSecureContext } from 'node:tls';
import type { Bundle } from '../../core/bundle.ts';
import { CertplaneError, toCertplaneError } from '../../core/errors.ts';
import type { Refusal } from '../../core/feed.ts';
import { wildcardFor } from '../../core/names.ts';
import type { HostState, MaterialAnswer, SlotId, SlotMaterial, SlotState, WorkerChange } from '../ipc/messages.ts';
import { Lru } from './lru.ts';

/** A certificate loaded for TLS. */
export interface InUse extends SlotState {
  readonly bundle: Bundle;
  /** OCSP response, DER. */
  readonly staple: Buffer | undefined;
}

/** What a host has to show. */
export interface HostCertificates {
  readonly best: InUse;
  /** With a key of the other kind. */
  readonly alternative: InUse | undefined;
}

/** Asks the supervisor. The callbacks run while its message is handled, before any later message is. */
export interface Lookups {
  resolve(host: string, done: (found: HostState | null) => void): void;
  material(slot: SlotId, done: (found: MaterialAnswer) => void): void;
}

export interface CertificateLimits {
  /** Loaded certificates, 30-40 kB each with their context. */
  readonly contexts: number;
  /** Hosts whose certificate is known, and as many that have none. */
  readonly hosts: number;
}

type CertificateChange = Extract<WorkerChange, { kind: 'certificate' }>;
type StapleChange = Extract<WorkerChange, { kind: 'staple' }>;

/**
 * The certificates of one worker, loaded when first needed. A loaded version is replaced only by one that is loaded:
 * the old one serves until the new context stands.
 */
export class WorkerCertificates {
  readonly #lookups: Lookups;
  readonly #hosts: Lru<string, HostState>;
  readonly #unknown: Lru<string, true>;
  readonly #loaded: Lru<SlotId, InUse>;
  readonly #resolving = new Map<string, Promise<HostState | undefined>>();
  readonly #loading = new Map<SlotId, Promise<InUse | undefined>>();
  /** Makes a version ready to serve before it takes the place of another one. Throws when it cannot serve. */
  prepare: (loaded: InUse) => void = loadContext;

  constructor(lookups: Lookups, limits: CertificateLimits) {
    this.#lookups = lookups;
    this.#hosts = new Lru(limits.hosts);
    this.#unknown = new Lru(limits.hosts);
    this.#loaded = new Lru(limits.contexts);
  }

  get loaded(): number {
    return this.#loaded.size;
  }

  /** What serves a host, if that is known and loaded already. */
  peek(host: string): HostCertificates | undefined {
    const state = this.#hosts.get(host);
    if (state === undefined) return undefined;
    const best = this.#loaded.get(state.slot);
    if (best === undefined) return undefined;
    if (state.alternative === undefined) return { best, alternative: undefined };
    const alternative = this.#loaded.get(state.alternative.slot);
    return alternative === undefined ? undefined : { best, alternative };
  }

  /** What serves a host; undefined when nothing does. Throws `terminator.cache-unreadable`. */
  async use(host: string): Promise<HostCertificates | undefined> {
    for (;;) {
      const state = await this.describe(host);
      if (state === undefined) return undefined;
      const best = await this.#get(state.slot);
      const alternative = state.alternative && (await this.#getAlternative(state.alternative.slot));
      // Emptied while it was asked for; by now something else may answer for the host.
      if (best !== undefined) return { best, alternative };
      if (this.#hosts.get(host)?.slot === state.slot) return undefined;
    }
  }

  /** What would serve a host, without loading it. */
  async describe(host: string): Promise<HostState | undefined> {
    if (this.#unknown.get(host) === true) return undefined;
    return this.#hosts.get(host) ?? (await this.#resolve(host));
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
      if (gone === true) this.#loaded.delete(slot);
      else if (this.#loaded.has(slot)) swaps.push(this.#swap(slot));
    }
    return Promise.all(swaps).then((refusals) => refusals.filter((refusal) => refusal !== undefined));
  }

  /** Takes effect with the next handshake. One that is not loaded gets it with its key material. */
  staple({ slot, versionId, staple }: StapleChange): void {
    const loaded = this.#loaded.get(slot);
    if (loaded?.versionId === versionId) this.#loaded.set(slot, { ...loaded, staple: stapleOf(staple) });
  }

  #resolve(host: string): Promise<HostState | undefined> {
    let pending = this.#resolving.get(host);
    if (pending === undefined) {
      const { promise, resolve } = Promise.withResolvers<HostState | undefined>();
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

  async #get(slot: SlotId): Promise<InUse | undefined> {
    return this.#loaded.get(slot) ?? (await this.#load(slot));
  }

  /** Undefined when it cannot be loaded: most clients do well without it, and why is known where it is read. */
  async #getAlternative(slot: SlotId): Promise<InUse | undefined> {
    try {
      return await this.#get(slot);
    } catch {
      return undefined;
    }
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
        if (found !== null && this.#loaded.has(slot)) this.#store(found);
        resolve(undefined);
      } catch (error) {
        const { code, message } = toCertplaneError(error, 'certificate.unparsable');
        resolve({ key: slot, code, message: `A worker cannot load it: ${message}` });
      }
    });
    return promise;
  }

  #store({ staple, ...material }: SlotMaterial): InUse {
    const inUse = { ...material, staple: stapleOf(staple) };
    this.prepare(inUse);
    this.#loaded.set(material.slot, inUse);
    return inUse;
  }
}

/** Throws what the TLS library has against a certificate or its key. */
export function loadContext({ bundle }: InUse): void {
  createSecureContext({ ca: [], cert: bundle.chainPem, key: bundle.keyPem });
}

function stapleOf(text: string | undefined): Buffer | undefined {
  return text === undefined ? undefined : Buffer.from(text, 'base64');
}

function unreadable(): CertplaneError {
  return new CertplaneError('terminator.cache-unreadable', 'The key material cannot be read right now.');
}
