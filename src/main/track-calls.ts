import type { Issuer } from '../core/ports/issuer.ts';

/** The issuer, and when nothing asks it any more: it must not be disposed of with a request under way. */
export function trackCalls(issuer: Issuer): { readonly issuer: Issuer; readonly idle: () => Promise<void> } {
  const calls = new Set<Promise<unknown>>();
  async function track<T>(call: Promise<T>): Promise<T> {
    calls.add(call);
    try {
      return await call;
    } finally {
      calls.delete(call);
    }
  }
  return {
    issuer: {
      name: issuer.name,
      steps: issuer.steps,
      begin: (request) => issuer.begin(request),
      step: async (request, state, signal) => await track(issuer.step(request, state, signal)),
      abandon: async (request, state, signal) => await track(issuer.abandon(request, state, signal)),
      describe: async (signal) => await track(issuer.describe(signal)),
    },
    async idle() {
      while (calls.size > 0) await Promise.allSettled(calls);
    },
  };
}
