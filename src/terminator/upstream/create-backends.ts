import { CertplaneError } from '../../core/errors.ts';
import type { Backend } from '../../core/backend.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Random } from '../../core/ports/random.ts';
import { systemClock } from '../../core/system-clock.ts';
import type { Bundle } from '../../core/bundle.ts';
import { systemLookup, type Lookup } from './addresses/name.ts';
import type {
  BackendCall,
  BackendEvents,
  BackendRequest,
  Backends,
  CallerConnection,
  ConnectEvents,
} from './backend.ts';
import { ConnectCall } from './connect-call.ts';
import type { Files } from './endpoint-set.ts';
import { BackendGroup, type GroupDeps } from './group.ts';
import { Rest } from './http1/rest.ts';
import { RoutedCall } from './routed-call.ts';
import { statesOf, type EndpointStatus } from './states.ts';

export interface BackendsDeps {
  /** The present version of one of our certificates, for backends that want to see one; undefined: there is none yet. */
  clientCertificate(certificateId: string): Promise<Bundle | undefined>;
  /** An endpoint was taken out, or a check found it unhealthy. Fields: backend, endpoint, detail. */
  onWarning(message: string, fields: Readonly<Record<string, unknown>>): void;
  /** For health checks, ejections, slow start and names. The system's by default. */
  readonly clock?: Clock;
  readonly random?: Random;
  readonly lookup?: Lookup;
}

export interface BackendsSettings {
  readonly backends: Readonly<Record<string, Backend>>;
  /** Text of the CA files that backends name, by path. */
  readonly files: Files;
}

export interface ManagedBackends extends Backends {
  /** What has not changed keeps its connections and its health; what is gone takes no new requests and empties itself. */
  update(settings: BackendsSettings): void;
  /** A certificate has another version, or is gone: new connections that show it ask for it again. */
  certificateChanged(certificateId: string): void;
  states(): EndpointStatus[];
  /** Ends every connection and check; resolves when nothing runs any more. */
  destroy(): Promise<void>;
}

/** All backends of a worker. */
export function createBackends(deps: BackendsDeps, settings: BackendsSettings): ManagedBackends {
  return new BackendGroups(deps, settings);
}

class BackendGroups implements ManagedBackends {
  readonly #deps: GroupDeps;
  readonly #groups = new Map<string, { readonly group: BackendGroup; written: string }>();
  /** Of groups that are gone. */
  readonly #leaving = new Set<BackendGroup>();

  constructor(deps: BackendsDeps, settings: BackendsSettings) {
    this.#deps = {
      clock: deps.clock ?? systemClock,
      random: deps.random ?? { next: () => Math.random() },
      lookup: deps.lookup ?? systemLookup,
      rest: new Rest(),
      clientCertificate: (id) => deps.clientCertificate(id),
      onWarning: (message, fields) => deps.onWarning(message, fields),
    };
    this.update(settings);
  }

  call(name: string, request: BackendRequest, events: BackendEvents): BackendCall {
    return new RoutedCall(this.#of(name), request, events);
  }

  connect(name: string, connection: CallerConnection, events: ConnectEvents): { abort(): void } {
    const call = new ConnectCall(this.#of(name), connection, events);
    queueMicrotask(() => call.start()); // no event comes before the caller knows what to abort
    return { abort: () => call.abort() };
  }

  update({ backends, files }: BackendsSettings): void {
    for (const [name, { group }] of this.#groups) {
      if (Object.hasOwn(backends, name)) continue;
      this.#groups.delete(name);
      this.#leave(group);
    }
    for (const [name, backend] of Object.entries(backends)) {
      const written = JSON.stringify([backend, backend.tls?.caFiles.map((path) => files[path] ?? null)]);
      const present = this.#groups.get(name);
      if (present === undefined) {
        this.#groups.set(name, { group: new BackendGroup(name, backend, files, this.#deps), written });
      } else if (present.written !== written) {
        present.group.reconfigure(backend, files);
        present.written = written;
      }
    }
  }

  certificateChanged(certificateId: string): void {
    for (const { group } of this.#groups.values()) group.endpoints.certificateChanged(certificateId);
  }

  states(): EndpointStatus[] {
    return [...this.#groups.values()].flatMap(({ group }) => statesOf(group));
  }

  async destroy(): Promise<void> {
    const groups = [...this.#leaving, ...[...this.#groups.values()].map(({ group }) => group)];
    await Promise.all(groups.map((group) => group.destroy()));
  }

  #leave(group: BackendGroup): void {
    for (const one of this.#leaving) if (one.empty) this.#leaving.delete(one);
    this.#leaving.add(group);
    group.close();
  }

  #of(name: string): BackendGroup {
    const found = this.#groups.get(name);
    if (found === undefined) throw new CertplaneError('internal.unexpected', `There is no backend ${name}.`);
    return found.group;
  }
}
