import { createHash } from 'node:crypto';
import type { CertificateId } from '../core/certificate.ts';
import type { CertificateStore } from '../core/ports/certificate-store.ts';
import type { RegistryEntry } from '../state/registry.ts';
import { digestOf, wantOf } from './wants.ts';

const settingKey = 'reissue-accepted';
/** More than this many, and more than this share of the fleet, is a mass re-issue. */
const count = 10;
const share = 0.2;

/**
 * The fleet brake (never §5.8): when many certificates at once would be issued again only because their spec changed,
 * none of them is, until a person accepts it; each still takes the change when it is due. Kept up to date entry by entry.
 */
export class Brake {
  /** With a short digest of the certificate and its spec, which is what a person accepts. */
  readonly #wanting = new Map<CertificateId, string>();
  readonly #managed = new Set<CertificateId>();
  /** The same for everything that was issued for another spec than it has now, accepted, due or under way included. */
  readonly #differing = new Map<CertificateId, string>();
  #accepted: ReadonlySet<string> = new Set();
  /** Since when it holds; undefined while it does not. */
  since: number | undefined;

  async load(store: CertificateStore, signal: AbortSignal): Promise<void> {
    const found = await store.find('setting', settingKey, signal);
    this.#accepted = new Set(found?.value.value.split(' '));
  }

  /**
   * Accepts, durably, every change that is not issued yet, whether it is held or was accepted before; a later change of
   * the same certificates is another one. Resolves the certificates that were held.
   */
  async accept(store: CertificateStore, now: number, signal: AbortSignal): Promise<readonly CertificateId[]> {
    const accepted = new Set(this.#differing.values());
    await store.put('setting', { key: settingKey, value: { value: [...accepted].join(' ') }, expect: 'any' }, signal);
    this.#accepted = accepted;
    const released = [...this.#wanting].flatMap(([id, mark]) => (accepted.has(mark) ? [id] : []));
    for (const id of released) this.#wanting.delete(id);
    this.#settle(now);
    return released;
  }

  /** Takes a certificate's state into account. True when the brake was set or released by it. */
  note(id: CertificateId, entry: RegistryEntry | undefined, now: number): boolean {
    const managed = entry !== undefined && entry.record.removedAt === undefined;
    if (managed) this.#managed.add(id);
    else this.#managed.delete(id);
    const mark = managed ? markOf(entry) : undefined;
    if (mark === undefined) this.#differing.delete(id);
    else this.#differing.set(id, mark);
    const wants = managed && entry.order === undefined && wantOf(entry, now)?.bySpec === true;
    if (wants && mark !== undefined && !this.#accepted.has(mark)) this.#wanting.set(id, mark);
    else this.#wanting.delete(id);
    return this.#settle(now);
  }

  /** True when it holds now and did not before, or the other way round. */
  #settle(now: number): boolean {
    const held = this.#wanting.size > Math.max(count, share * this.#managed.size);
    if (held === (this.since !== undefined)) return false;
    this.since = held ? now : undefined;
    return true;
  }

  holds(id: CertificateId): { readonly wanting: number; readonly managed: number } | undefined {
    return this.since !== undefined && this.#wanting.has(id) ? this.size : undefined;
  }

  /** How many want to be re-issued for a changed spec, of how many. */
  get size(): { readonly wanting: number; readonly managed: number } {
    return { wanting: this.#wanting.size, managed: this.#managed.size };
  }

  get wanting(): readonly CertificateId[] {
    return [...this.#wanting.keys()];
  }
}

/** Undefined for what was issued for the spec it has. */
function markOf({ record }: RegistryEntry): string | undefined {
  if (record.issuedDigest === undefined || record.issuedDigest === digestOf(record.spec)) return undefined;
  return createHash('sha256')
    .update(`${record.id}\n${digestOf(record.spec)}`)
    .digest('base64url')
    .slice(0, 12);
}
