/** The control plane as the API, the CLI and doctor see it: registry, schedule and terminators put together. */
import type { CertificateId } from '../core/certificate.ts';
import { CertplaneError } from '../core/errors.ts';
import type { CertificateStore } from '../core/ports/certificate-store.ts';
import type { Clock } from '../core/ports/clock.ts';
import type {
  CertificateView,
  ControlChange,
  ControlView,
  ReloadOptions,
  ReloadResult,
} from '../core/ports/control-view.ts';
import type { Issuer } from '../core/ports/issuer.ts';
import type { Log } from '../core/ports/log.ts';
import type { Scheduler } from '../schedule/scheduler.ts';
import { describeStatus } from '../schedule/status.ts';
import type { Registry, RegistryEntry } from '../state/registry.ts';
import type { Terminators } from '../state/terminators.ts';
import type { Notices } from './notices.ts';
import { observedCertificates } from './observed.ts';

export interface ControlViewDeps {
  readonly registry: Registry;
  readonly scheduler: Scheduler;
  readonly terminators: Terminators;
  readonly issuers: () => ReadonlyMap<string, Issuer>;
  readonly notices: Notices;
  readonly store: CertificateStore;
  readonly reload: (options: ReloadOptions, signal: AbortSignal) => Promise<ReloadResult>;
  readonly backup: (file: string, signal: AbortSignal) => Promise<void>;
  /** Whether the configuration has a terminator, so that there is one to wait for. */
  readonly expectsTerminator: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ControlParts extends ControlView, Disposable {
  /** Something beside the certificates changed. */
  changed(): void;
  /** Resolves when every certificate has been tried and what was issued is delivered, `mostMs` at the latest. */
  settled(mostMs: number, signal: AbortSignal): Promise<void>;
}

export function createControlView(deps: ControlViewDeps): ControlParts {
  const { registry, scheduler, terminators, issuers, notices, store, clock, log } = deps;
  const listeners = new Set<(change: ControlChange) => void>();
  const tell = (certificateIds: readonly CertificateId[], other: boolean): void => {
    for (const listener of listeners) listener({ certificateIds, other });
  };
  const subscriptions = new DisposableStack();
  subscriptions.use(registry.onChange((ids) => tell(ids, true)));
  subscriptions.use(scheduler.onChange((ids) => tell(ids, false)));
  subscriptions.use(terminators.onChange(({ certificateIds, other }) => tell(certificateIds, other)));

  function viewOf(entry: RegistryEntry): CertificateView {
    const { record, current, order } = entry;
    const { id } = record;
    const servedBy = terminators.servedBy(id);
    const { status, deliveries, next, renewAt } = describeStatus(entry, {
      now: clock.now(),
      decision: scheduler.decision(id),
      servedBy,
      refusals: terminators.refusals(`certificate/${id}`),
    });
    return {
      id,
      name: record.spec.name,
      record,
      current,
      order,
      names: record.spec.dnsNames,
      status,
      deliveries,
      next,
      renewAt,
      servedBy,
    };
  }

  const view: ControlParts = {
    certificates: () => [
      ...registry.certificates().map(viewOf),
      ...observedCertificates(terminators.observed(), clock.now()),
    ],
    certificate: (id) => {
      const entry = registry.entry(id);
      if (entry !== undefined) return viewOf(entry);
      return observedCertificates(terminators.observed(), clock.now()).find((one) => one.id === id);
    },
    issuers: async (signal) =>
      await Promise.all([...issuers().values()].map(async (one) => await one.describe(signal))),
    terminators: () => terminators.list(),
    problems: () => [...notices.list(), ...scheduler.problems()],
    history: async (query, signal) => await store.history(query, signal),
    renew: async (id, actor, signal) => {
      if (registry.entry(id) === undefined && view.certificate(id) !== undefined) {
        throw new CertplaneError(
          'certificate.not-found',
          `${id} is only observed; Certplane did not issue it and cannot renew it.`,
        );
      }
      await registry.requestRenewal(id, actor, signal);
    },
    reload: async (options, signal) => {
      const result = await deps.reload(options, signal);
      tell([], true);
      return result;
    },
    backup: async (file, actor, signal) => {
      await deps.backup(file, signal);
      const message = `A backup was written to ${file}.`;
      try {
        await store.append({ at: clock.now(), kind: 'admin', code: 'backup', message, actor });
      } catch (error) {
        // It is there, and on a full disk it is what somebody needs: history may be lossy.
        log.warn('A backup was written, and history does not have it.', { file, actor, error });
      }
    },
    onChange: (listener) => {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    changed: () => tell([], true),
    settled: async (mostMs, signal) => {
      const terminator = deps.expectsTerminator();
      const isSettled = (): boolean =>
        (!terminator || isServing(terminators)) && view.certificates().every((one) => isQuiet(one, terminator));
      await settled(isSettled, { mostMs, view, clock, signal });
    },
    [Symbol.dispose]: () => subscriptions.dispose(),
  };
  return view;
}

async function settled(
  isSettled: () => boolean,
  { mostMs, view, clock, signal }: { mostMs: number; view: ControlView; clock: Clock; signal: AbortSignal },
): Promise<void> {
  const late = new AbortController();
  let wake = Promise.withResolvers<void>();
  using _listening = view.onChange(() => wake.resolve());
  const stop = AbortSignal.any([signal, late.signal]);
  const deadline = clock.sleep(mostMs, stop).then(
    () => late.abort(),
    () => undefined, // settled, or told to stop
  );
  stop.addEventListener('abort', () => wake.resolve(), { once: true });
  while (!isSettled() && !stop.aborted) {
    await wake.promise;
    wake = Promise.withResolvers();
  }
  late.abort();
  await deadline;
}

/** Nothing is on its way any more: what can be had is there and where it belongs. */
function isQuiet({ status, current, servedBy }: CertificateView, terminator: boolean): boolean {
  const { managed, phase, delivery } = status;
  if (managed !== 'managed' || delivery === 'failed') return true;
  if (phase === 'pending' || phase === 'issuing' || delivery === 'lagging') return false;
  // Between being stored and being in the feed nobody knows of it yet.
  return !terminator || current === undefined || servedBy.length > 0;
}

export function isServing(terminators: Terminators): boolean {
  return terminators
    .list()
    .some(
      ({ connected, acknowledged, current, listening }) =>
        connected && acknowledged === current && listening.length > 0,
    );
}
