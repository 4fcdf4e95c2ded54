import type { Bundle } from '../../core/bundle.ts';
import type { CertificateId } from '../../core/certificate.ts';
import { isWildcard, namesCover, wildcardFor } from '../../core/names.ts';
import type { SlotId, SlotState } from '../ipc/messages.ts';
import { best, isAlternative, isValid, precedence, type Precedence } from './precedence.ts';

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

/** Of two certificates that carry one name, the one that serves it. */
export interface Conflict {
  readonly name: string;
  readonly serves: TableEntry;
  readonly loses: TableEntry;
  readonly because: Precedence;
}

/**
 * Which certificate answers for which host. The one bound to the host, if one is; otherwise what is valid now comes first,
 * then the exact name before the wildcard, then our own before files before Secrets, then the later end.
 */
export class CertificateTable {
  readonly #slots = new Map<SlotId, TableEntry>();
  readonly #names = new Map<string, Set<TableEntry>>();
  /** Names that several entries carry. */
  readonly #contested = new Set<string>();
  /** Host names, exact or wildcard, and the certificate id that alone may serve them. */
  #bindings: ReadonlyMap<string, CertificateId> = new Map();
  #hostsById: ReadonlyMap<CertificateId, readonly string[]> = new Map();

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
      else if (entries.add(entry).size > 1) this.#contested.add(name);
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
      if (entries === undefined || entries.size < 2) this.#contested.delete(name);
    }
    return entry.names;
  }

  /** Binds hosts to certificates; what is not named is free again. Returns the names whose answer may be another one now. */
  bind(bindings: ReadonlyMap<string, CertificateId>): readonly string[] {
    const before = this.#bindings;
    this.#bindings = bindings;
    this.#hostsById = Map.groupBy(bindings.keys(), (host) => bindings.get(host) as CertificateId);
    const names = new Set([...before.keys(), ...bindings.keys()]);
    return [...names].filter((name) => before.get(name) !== bindings.get(name));
  }

  /** What serves a host now. */
  resolve(host: string, now: number): TableEntry | undefined {
    const wildcard = isWildcard(host) ? undefined : wildcardFor(host);
    const bound = this.#boundTo(host);
    const exact = best(this.#names.get(host), now, bound);
    if (exact !== undefined && isValid(exact, now)) return exact;
    const wide = wildcard === undefined ? undefined : best(this.#names.get(wildcard), now, bound);
    if (wide !== undefined && isValid(wide, now)) return wide;
    return exact ?? wide;
  }

  /** The version of `entry` with the other kind of key (ECDSA, RSA): same source, valid now, for the same name. */
  alternative(host: string, entry: TableEntry, now: number): TableEntry | undefined {
    if (this.#boundTo(host) !== undefined) return undefined;
    const name = entry.names.includes(host) ? host : (wildcardFor(host) ?? '');
    const others = [...(this.#names.get(name) ?? [])].filter((other) => isAlternative(other, entry, now));
    return best(others, now);
  }

  /** Whether the entry answers for at least one of its own names. */
  serves(entry: TableEntry, now: number): boolean {
    return this.#hostsOf(entry).some((name) => {
      const winner = this.resolve(name, now);
      return winner === entry || (winner !== undefined && this.alternative(name, winner, now) === entry);
    });
  }

  /** Names that several certificates carry, and which one serves each. Bound names and other kinds of key are no conflict. */
  *conflicts(now: number): Generator<Conflict> {
    for (const name of this.#contested) {
      if (this.#boundTo(name) !== undefined) continue; // a person has decided
      const serves = this.resolve(name, now);
      if (serves === undefined) continue;
      const alternative = this.alternative(name, serves, now);
      for (const loses of this.#names.get(name) ?? []) {
        if (loses === serves || loses === alternative || loses.fingerprint256 === serves.fingerprint256) continue;
        yield { name, serves, loses, because: precedence(serves, loses, now) };
      }
    }
  }

  /** Bound hosts that nothing serves, and what they are bound to. */
  *unserved(now: number): Generator<readonly [host: string, bound: CertificateId]> {
    for (const [host, bound] of this.#bindings) if (this.resolve(host, now) === undefined) yield [host, bound];
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

  /** The one certificate that may serve a host, where a person has said so for it or the wildcard above it. */
  #boundTo(host: string): CertificateId | undefined {
    return this.#bindings.get(host) ?? this.#bindings.get(wildcardFor(host) ?? '');
  }

  /** Its names, and hosts that are bound to it through a wildcard of its. */
  #hostsOf({ names, certificateId }: TableEntry): readonly string[] {
    const bound = this.#hostsById.get(certificateId);
    return bound === undefined ? names : [...names, ...bound.filter((host) => namesCover(names, host))];
  }
}
