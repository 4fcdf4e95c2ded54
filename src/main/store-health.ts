/** Remembers whether the last write was kept: a control plane that cannot write is not ready. */
import { hasCode } from '../core/errors.ts';
import type { CertificateStore } from '../core/ports/certificate-store.ts';

export interface StoreHealth {
  /** The same store. */
  readonly store: CertificateStore;
  /** False after a write failed for the medium (`store.unavailable`, `store.corrupt`), until one succeeds. */
  readonly writable: () => boolean;
}

export function watchWrites(store: CertificateStore): StoreHealth {
  let writable = true;
  async function watched<T>(write: Promise<T>): Promise<T> {
    try {
      const result = await write;
      writable = true;
      return result;
    } catch (error) {
      if (hasCode(error, 'store.unavailable') || hasCode(error, 'store.corrupt')) writable = false;
      throw error;
    }
  }
  return {
    writable: () => writable,
    store: {
      get: async (kind, key, signal) => await store.get(kind, key, signal),
      find: async (kind, key, signal) => await store.find(kind, key, signal),
      secret: async (kind, key, signal) => await store.secret(kind, key, signal),
      list: async (kind, options, signal) => await store.list(kind, options, signal),
      history: async (query, signal) => await store.history(query, signal),
      put: async (kind, put, signal) => await watched(store.put(kind, put, signal)),
      delete: async (kind, key, expect, signal) => await watched(store.delete(kind, key, expect, signal)),
      append: async (entry, signal) => await watched(store.append(entry, signal)),
      [Symbol.asyncDispose]: async () => await store[Symbol.asyncDispose](),
    },
  };
}
