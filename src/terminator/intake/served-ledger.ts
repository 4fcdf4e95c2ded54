import type { ServedEntry } from '../../core/feed.ts';
import type { SlotId } from '../ipc/messages.ts';
import type { CertificateTable, TableEntry } from './table.ts';

interface Served {
  readonly entry: TableEntry;
  /** Since when every worker has it. */
  readonly since: number;
}

interface Pending {
  readonly sequence: number;
  readonly slot: SlotId;
  readonly entry: TableEntry | undefined;
  readonly since: number;
}

export interface Settled {
  /** What is served is another now. */
  readonly changed: boolean;
  /** For each version that took the place of another one: how long that took, in milliseconds. */
  readonly rotations: readonly number[];
}

/** What every worker has in effect, as opposed to what it has been told. */
export class ServedLedger {
  #pending: Pending[] = [];
  readonly #served = new Map<SlotId, Served>();

  /** The slot changed with that change, at that time. */
  record(sequence: number, slot: SlotId, { entry, at }: { entry: TableEntry | undefined; at: number }): void {
    this.#pending.push({ sequence, slot, entry, since: at });
  }

  /** A worker could not take what the slot was to have: what it had stays in effect. */
  refuse(slot: SlotId): void {
    this.#pending = this.#pending.filter((pending) => pending.slot !== slot);
  }

  /** Everything up to `applied` is in effect. */
  settle(applied: number, now: number): Settled {
    const rotations: number[] = [];
    let settled = 0;
    for (const { sequence, slot, entry, since } of this.#pending) {
      if (sequence > applied) break;
      settled += 1;
      const before = this.#served.get(slot)?.entry;
      if (entry === undefined) this.#served.delete(slot);
      else if (!isSame(before, entry)) {
        this.#served.set(slot, { entry, since: now });
        if (before !== undefined) rotations.push(now - since);
      }
    }
    if (settled > 0) this.#pending = this.#pending.slice(settled);
    return { changed: settled > 0, rotations };
  }

  /** By certificate id: serials that a worker still uses which has changes up to `applied` in effect. */
  older(applied: number): Map<string, string> {
    const serials = new Map<string, string>();
    for (const { sequence, slot } of this.#pending) {
      const before = this.#served.get(slot)?.entry;
      if (sequence > applied && before !== undefined) serials.set(before.certificateId, before.serial);
    }
    return serials;
  }

  /** By certificate id; what no host gets is left out. */
  list(table: CertificateTable, now: number): Map<string, ServedEntry> {
    const entries = new Map<string, ServedEntry>();
    for (const { entry, since } of this.#served.values()) {
      const current = table.get(entry.slot);
      if (current === undefined || !table.serves(current, now)) continue;
      const { certificateId, versionId, names, serial, fingerprint256, notAfter, source } = entry;
      if (entries.has(certificateId) && entry.rank > 0) continue; // of two with one id, ours
      entries.set(certificateId, { certificateId, versionId, names, serial, fingerprint256, notAfter, since, source });
    }
    return entries;
  }
}

/** A control plane that began anew may give the number of a version again. */
function isSame(a: TableEntry | undefined, b: TableEntry): boolean {
  return a?.versionId === b.versionId && a.fingerprint256 === b.fingerprint256;
}
