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
 * The fleet brake (DESIGN §5.8): when many certificates at once would be issued again only because their spec changed,
 * none of them is, until a person accepts it; each still takes the change when it is due. Kept up to date entry by entry.
 */
export class Brake {
  /** With a short digest of the certificate and its spec, which is what a person accepts. */
  readonly #wanting = new Map<CertificateId, string>();
  readonly #managed = new Set<CertificateId>();
  #accepted: ReadonlySet<string> = new Set();
  /** Since when it holds; undefined while it does not. */
  since: number | undefined;

  async load(store: CertificateStore, signal: AbortSignal): Promise<void> {
    const found = await store.find('setting', settingKey, signal);
    this.#accepted = new Set(found?.value.value.split(' '));
  }

  /** Accepts what is held now, durably; a later change of the same certificates is another one. */
  async accept(store: CertificateStore, signal: AbortSignal): Promise<void> {
    const accepted = new Set(this.#wanting.values());
    await store.put('setting', { key: settingKey, value: { value: [...accepted].join(' ') }, expect: 'any' }, signal);
    this.#accepted = accepted;
    this.#wanting.clear();
    this.since = undefined;
  }

  /** Takes a certificate's state into account. True when the brake was set or released by it. */
  note(id: CertificateId, entry: RegistryEntry | undefined, now: number): boolean {
    const managed = entry !== undefined && entry.record.removedAt === undefined;
    if (managed) this.#managed.add(id);
    else this.#managed.delete(id);
    const mark =
      managed && entry.order === undefined && wantOf(entry, now)?.bySpec === true ? markOf(entry) : undefined;
    if (mark !== undefined && !this.#accepted.has(mark)) this.#wanting.set(id, mark);
    else this.#wanting.delete(id);
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

function markOf({ record }: RegistryEntry): string {
  return createHash('sha256')
    .update(`${record.id}\n${digestOf(record.spec)}`)
    .digest('base64url')
    .slice(0, 12);
}
