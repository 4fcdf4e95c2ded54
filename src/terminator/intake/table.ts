import type { Bundle } from '../../core/bundle.ts';
import type { CertificateId } from '../../core/certificate.ts';
import { isWildcard, wildcardFor } from '../../core/names.ts';
import type { SlotId, SlotState } from '../ipc/messages.ts';

/** A checked version in the place it serves from. */
export interface TableEntry extends SlotState {
  readonly certificateId: CertificateId;
  /** Name of the source it came from. */
  readonly source: string;
  /** Order among sources: our own first (0), then files, then Secrets. */
  readonly rank: number;
  readonly serial: string;
  readonly fingerprint256: string;
  readonly chainComplete: boolean;
}

/** An entry together with its key material, on its way into the table. */
export interface LoadedEntry {
  readonly entry: TableEntry;
  readonly bundle: Bundle;
}

export function slotOf(source: string, certificateId: CertificateId): SlotId {
  return `${source} ${certificateId}`;
}

/**
 * Which certificate answers for which host. What is valid now comes first, then the exact name before the wildcard, then
 * our own before files before Secrets, then the later end.
 */
export class CertificateTable {
  readonly #slots = new Map<SlotId, TableEntry>();
  readonly #names = new Map<string, Set<TableEntry>>();

  get size(): number {
    return this.#slots.size;
  }

  get(slot: SlotId): TableEntry | undefined {
    return this.#slots.get(slot);
  }

  entries(): IterableIterator<TableEntry> {
    return this.#slots.values();
  }

  /** Puts a version in its slot and returns every name it or its predecessor carries. */
  set(entry: TableEntry): readonly string[] {
    const before = this.delete(entry.slot);
    this.#slots.set(entry.slot, entry);
    for (const name of entry.names) {
      const entries = this.#names.get(name);
      if (entries === undefined) this.#names.set(name, new Set([entry]));
      else entries.add(entry);
    }
    return [...new Set([...before, ...entry.names])];
  }

  /** Empties a slot and returns the names it carried. */
  delete(slot: SlotId): readonly string[] {
    const entry = this.#slots.get(slot);
    if (entry === undefined) return [];
    this.#slots.delete(slot);
    for (const name of entry.names) {
      const entries = this.#names.get(name);
      entries?.delete(entry);
      if (entries?.size === 0) this.#names.delete(name);
    }
    return entry.names;
  }

  /** What serves a host now. */
  resolve(host: string, now: number): TableEntry | undefined {
    const exact = best(this.#names.get(host), now);
    if (exact !== undefined && isValid(exact, now)) return exact;
    const wildcard = isWildcard(host) ? undefined : wildcardFor(host);
    const wide = wildcard === undefined ? undefined : best(this.#names.get(wildcard), now);
    if (wide !== undefined && isValid(wide, now)) return wide;
    return exact ?? wide;
  }

  /** Whether the entry answers for at least one of its own names. */
  serves(entry: TableEntry, now: number): boolean {
    return entry.names.some((name) => best(this.#names.get(name), now) === entry);
  }

  /** The next moment at which an answer may change by itself: something begins or ceases to be valid. */
  nextTurn(now: number): { at: number; names: readonly string[] } | undefined {
    let at = Infinity;
    let names: string[] = [];
    for (const entry of this.#slots.values()) {
      const turn = entry.notBefore > now ? entry.notBefore : entry.notAfter;
      if (turn <= now || turn > at) continue;
      if (turn < at) names = [];
      at = turn;
      names.push(...entry.names);
    }
    return at === Infinity ? undefined : { at, names };
  }
}

function isValid(entry: TableEntry, now: number): boolean {
  return entry.notBefore <= now && now < entry.notAfter;
}

function best(entries: Iterable<TableEntry> | undefined, now: number): TableEntry | undefined {
  let winner: TableEntry | undefined;
  for (const entry of entries ?? []) if (winner === undefined || isBetter(entry, winner, now)) winner = entry;
  return winner;
}

function isBetter(a: TableEntry, b: TableEntry, now: number): boolean {
  const valid = Number(isValid(a, now)) - Number(isValid(b, now));
  if (valid !== 0) return valid > 0;
  if (a.rank !== b.rank) return a.rank < b.rank;
  if (a.notAfter !== b.notAfter) return a.notAfter > b.notAfter;
  return a.slot < b.slot; // any order will do, as long as it is always the same
}
