/** Counts what goes into history on its way to the store: the totals behind the metrics, without anybody calling for it. */
import type { CertificateId } from '../core/certificate.ts';
import type { CertificateStore } from '../core/ports/certificate-store.ts';
import type { HistoryEntry, HistoryKind } from '../core/records.ts';
import type { ControlStats } from './control-metrics.ts';

export interface HistoryCounterDeps {
  readonly store: CertificateStore;
  /** The issuer of the version in use, for entries that do not name theirs. */
  readonly issuerOf: (id: CertificateId) => string | undefined;
}

export interface HistoryCounter extends Pick<ControlStats, 'attempts' | 'history'> {
  /** The same store; what is appended through it is counted. */
  readonly store: CertificateStore;
}

export function createHistoryCounter({ store, issuerOf }: HistoryCounterDeps): HistoryCounter {
  const kinds = new Map<HistoryKind, number>();
  const attempts = new Map<string, { issuer: string; result: string; count: number }>();

  function count({ kind, code, certificateId, details }: Omit<HistoryEntry, 'id'>): void {
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    if (kind !== 'issued' && kind !== 'failed') return;
    const named = details?.['issuer'];
    const known = certificateId === undefined ? undefined : issuerOf(certificateId);
    const issuer = typeof named === 'string' ? named : (known ?? 'unknown');
    const result = kind === 'issued' ? 'issued' : code;
    const key = `${issuer}\n${result}`;
    attempts.set(key, { issuer, result, count: (attempts.get(key)?.count ?? 0) + 1 });
  }

  return {
    attempts: () => attempts.values(),
    history: () => [...kinds].map(([kind, total]) => ({ kind, count: total })),
    store: {
      get: async (kind, key, signal) => await store.get(kind, key, signal),
      find: async (kind, key, signal) => await store.find(kind, key, signal),
      secret: async (kind, key, signal) => await store.secret(kind, key, signal),
      list: async (kind, options, signal) => await store.list(kind, options, signal),
      put: async (kind, put, signal) => await store.put(kind, put, signal),
      delete: async (kind, key, expect, signal) => await store.delete(kind, key, expect, signal),
      append: async (entry, signal) => {
        const kept = await store.append(entry, signal);
        count(entry);
        return kept;
      },
      history: async (query, signal) => await store.history(query, signal),
      [Symbol.asyncDispose]: async () => await store[Symbol.asyncDispose](),
    },
  };
}
