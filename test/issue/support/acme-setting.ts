import type { TestContext } from 'node:test';
import { createHttp01Listener } from '../../../src/acme/http01-listener.ts';
import type { ChallengeSolver } from '../../../src/core/ports/challenge-solver.ts';
import type { Clock } from '../../../src/core/ports/clock.ts';
import type { IssuanceRequest, Issuer } from '../../../src/core/ports/issuer.ts';
import { silentLog, type Log } from '../../../src/core/ports/log.ts';
import { createAcmeIssuer } from '../../../src/issue/acme-issuer.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { startPebble, type Pebble, type PebbleOptions } from '../../support/pebble.ts';
import { toolOrSkip } from '../../support/tools.ts';
import { scaledClock } from './scaled-clock.ts';

/** Issuers on one store against one CA, whose clock may be moved and whose solver may be replaced. */
export interface AcmeSetting<C extends Clock = Clock> extends AsyncDisposable {
  readonly clock: C;
  readonly store: MemoryStore;
  /** A new issuer, as after a restart; disposed with the setting. */
  readonly create: (overrides?: { email?: string; caBundlePem?: string; directory?: string }) => Issuer;
  readonly request: (...dnsNames: string[]) => IssuanceRequest;
  /** What `present` and `cleanUp` were called with, and what is in place now. */
  readonly presented: Set<string>;
  solver: ChallengeSolver;
}

export interface AcmeSettingOptions<C extends Clock> {
  readonly directory: string;
  readonly caPem: string;
  readonly clock: C;
  readonly solver: ChallengeSolver & Partial<AsyncDisposable>;
  readonly log?: Log;
}

let number = 0;

export function acmeSetting<C extends Clock>(options: AcmeSettingOptions<C>): AcmeSetting<C> {
  const stack = new AsyncDisposableStack();
  stack.defer(async () => await options.solver[Symbol.asyncDispose]?.());
  const store = new MemoryStore();
  const presented = new Set<string>();
  const watched: ChallengeSolver = {
    async present(challenge, signal) {
      await setting.solver.present(challenge, signal);
      presented.add(challenge.token);
    },
    async cleanUp(challenge, signal) {
      await setting.solver.cleanUp(challenge, signal);
      presented.delete(challenge.token);
    },
  };
  const setting: AcmeSetting<C> = {
    clock: options.clock,
    store,
    presented,
    solver: options.solver,
    create({ email, caBundlePem = options.caPem, directory = options.directory } = {}) {
      const config = { kind: 'acme', name: 'test', directory, email, caBundlePem, solvers: [] } as const;
      const deps = { config, store, solverFor: () => watched, clock: options.clock, log: options.log ?? silentLog };
      return stack.use(createAcmeIssuer(deps));
    },
    request(...dnsNames) {
      number += 1;
      const names = dnsNames.length > 0 ? dnsNames : [`host${number}.example.com`];
      return { certificateId: `file/${number}`, dnsNames: names, key: { algorithm: 'ecdsa', size: 256 } };
    },
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  };
  return setting;
}

export interface PebbleSetting extends AcmeSetting {
  readonly pebble: Pebble;
  readonly wait: (until: number) => Promise<void>;
}

/** Against a strict Pebble of its own, with http-01 answered by our listener where Pebble looks. */
export async function pebbleSetting(t: TestContext, options: PebbleOptions = {}): Promise<PebbleSetting | undefined> {
  if (!(await toolOrSkip(t, 'pebble')) || !(await toolOrSkip(t, 'pebble-challtestsrv'))) return undefined;
  const stack = new AsyncDisposableStack();
  const pebble = stack.use(await startPebble({ authzReusePercent: 0, ...options }));
  const clock = scaledClock();
  const solver = createHttp01Listener({ listen: { host: '127.0.0.1', port: pebble.httpPort }, log: silentLog });
  const setting = acmeSetting({ directory: pebble.directoryUrl, caPem: pebble.caPem, clock, solver });
  stack.defer(setting[Symbol.asyncDispose]);
  const { signal } = new AbortController();
  return Object.assign(setting, {
    pebble,
    wait: async (until: number) => await clock.waitUntil(until, signal),
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  });
}
