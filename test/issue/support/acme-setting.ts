import type { TestContext } from 'node:test';
import { createHttp01Listener } from '../../../src/acme/http01-listener.ts';
import type { ChallengeSolver } from '../../../src/core/ports/challenge-solver.ts';
import type { Clock } from '../../../src/core/ports/clock.ts';
import type { IssuanceRequest, Issuer } from '../../../src/core/ports/issuer.ts';
import { silentLog, type Log } from '../../../src/core/ports/log.ts';
import { createAcmeIssuer } from '../../../src/issue/acme-issuer.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { startPebble, type Pebble, type PebbleOptions } from '../../support/pebble.ts';
import { freePort } from '../../support/ports.ts';
import { toolOrSkip } from '../../support/tools.ts';
import { lateLook, type LateLook } from './late-look.ts';
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
  /** In place of each process's own. */
  solver: ChallengeSolver | undefined;
}

export interface AcmeSettingOptions<C extends Clock> {
  readonly directory: string;
  readonly caPem: string;
  readonly clock: C;
  /** The solver of one process: it ends when the next issuer is created, as in a restart. */
  readonly solver: () => ChallengeSolver & Partial<AsyncDisposable>;
  readonly log?: Log;
}

let number = 0;

export function acmeSetting<C extends Clock>(options: AcmeSettingOptions<C>): AcmeSetting<C> {
  const stack = new AsyncDisposableStack();
  const store = new MemoryStore();
  const presented = new Set<string>();
  let latest: Partial<AsyncDisposable> = {};
  let ended: Promise<void> = Promise.resolve();
  stack.defer(async () => await ended);
  const endLatest = (): void => {
    const [before, ending] = [ended, latest];
    ended = before.then(async () => await ending[Symbol.asyncDispose]?.());
  };
  stack.defer(endLatest);
  function nextSolver(): ChallengeSolver {
    endLatest();
    const own = options.solver();
    latest = own;
    return {
      async present(challenge, signal) {
        await ended;
        await (setting.solver ?? own).present(challenge, signal);
        presented.add(challenge.token);
      },
      async cleanUp(challenge, signal) {
        await (setting.solver ?? own).cleanUp(challenge, signal);
        presented.delete(challenge.token);
      },
    };
  }
  const setting: AcmeSetting<C> = {
    clock: options.clock,
    store,
    presented,
    solver: undefined,
    create({ email, caBundlePem = options.caPem, directory = options.directory } = {}) {
      const config = { kind: 'acme', name: 'test', directory, email, caBundlePem, solvers: [] } as const;
      const solver = nextSolver();
      const deps = { config, store, solverFor: () => solver, clock: options.clock, log: options.log ?? silentLog };
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
  /** Between Pebble and the listener of the latest issuer. */
  readonly late: LateLook;
  /** Where the listeners listen. */
  readonly port: number;
  readonly wait: (until: number) => Promise<void>;
}

/** Against a strict Pebble of its own, with http-01 answered by the listener of each process. */
export async function pebbleSetting(t: TestContext, options: PebbleOptions = {}): Promise<PebbleSetting | undefined> {
  if (!(await toolOrSkip(t, 'pebble')) || !(await toolOrSkip(t, 'pebble-challtestsrv'))) return undefined;
  const stack = new AsyncDisposableStack();
  const pebble = stack.use(await startPebble({ authzReusePercent: 0, ...options }));
  const clock = scaledClock();
  const port = await freePort();
  const late = stack.use(await lateLook(pebble.httpPort, port));
  const listen = { host: '127.0.0.1', port };
  const solver = () => createHttp01Listener({ listen, log: silentLog });
  const setting = acmeSetting({ directory: pebble.directoryUrl, caPem: pebble.caPem, clock, solver });
  stack.defer(setting[Symbol.asyncDispose]);
  const { signal } = new AbortController();
  return Object.assign(setting, {
    pebble,
    late,
    port,
    wait: async (until: number) => await clock.waitUntil(until, signal),
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  });
}
