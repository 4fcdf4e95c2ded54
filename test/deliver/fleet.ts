/** A registry and outputs for the deliverer: what is current, what was delivered, and every way in which it goes wrong. */
import assert from 'node:assert/strict';
import type { Bundle } from '../../src/core/bundle.ts';
import { versionId, type FilesOutput, type OutputSpec, type VersionId } from '../../src/core/certificate.ts';
import { CertplaneError } from '../../src/core/errors.ts';
import type { Log, LogFields } from '../../src/core/ports/log.ts';
import type { DeliverableVersion, HeldCertificate, Output } from '../../src/core/ports/output.ts';
import type { CertificateRecord, OutputState, VersionRecord } from '../../src/core/records.ts';
import {
  createDeliverer,
  type Deliverer,
  type DeliveryEntry,
  type DeliveryRegistry,
} from '../../src/deliver/deliverer.ts';
import type { ReloadCommand } from '../../src/deliver/reload-command.ts';
import { ReloadCommands } from '../../src/deliver/reload-commands.ts';
import type { ManualClock } from '../support/manual-clock.ts';

const day = 86_400_000;

export function outputSpec(name: string, more: Partial<FilesOutput> = {}): FilesOutput {
  return { kind: 'files', id: `files:/${name}`, directory: `/${name}`, reloadTimeoutMs: 1000, ...more };
}

/** Keeps everything in memory; `recordFailure` makes keeping an outcome fail. */
export class TestRegistry implements DeliveryRegistry {
  readonly #entries = new Map<string, DeliveryEntry>();
  readonly #listeners = new Set<(ids: readonly string[]) => void>();
  readonly #clock: ManualClock;
  readonly recorded: { readonly outputId: string; readonly state: OutputState }[] = [];
  recordFailure: Error | undefined;
  /** Every version ever issued, by its fingerprint. */
  readonly issued = new Map<string, VersionRecord>();

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  certificates(): readonly DeliveryEntry[] {
    return [...this.#entries.values()];
  }
  entry(id: string): DeliveryEntry | undefined {
    return this.#entries.get(id);
  }
  async bundle(id: VersionId): Promise<Bundle> {
    return { chainPem: `chain of ${id}`, keyPem: `key of ${id}` };
  }
  async recordDelivery(id: string, outputId: string, state: OutputState, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.recordFailure !== undefined) throw this.recordFailure;
    this.recorded.push({ outputId, state });
    const { record } = this.#get(id);
    this.change(id, { outputs: { ...record.outputs, [outputId]: state } });
  }
  onChange(listener: (ids: readonly string[]) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  add(id: string, outputs: readonly OutputSpec[]): void {
    const spec = {
      id,
      name: id,
      dnsNames: ['shop.example.com'],
      issuers: ['local'],
      key: { algorithm: 'ecdsa', size: 256 } as const,
      outputs,
    };
    this.#entries.set(id, { record: { id, spec, createdAt: 0, nextNumber: 1, failures: 0, outputs: {} } });
    this.#notify(id);
  }

  /** The next version becomes the current one. Gives its id. */
  issue(id: string, lifetimeMs = 90 * day): VersionId {
    const { record } = this.#get(id);
    const now = this.#clock.now();
    const version: VersionRecord = {
      id: versionId(id, record.nextNumber),
      certificateId: id,
      number: record.nextNumber,
      issuerName: 'local',
      chainPem: 'x',
      issuedAt: now,
      names: record.spec.dnsNames,
      notBefore: now,
      notAfter: now + lifetimeMs,
      serial: '01',
      fingerprint256: fingerprint(versionId(id, record.nextNumber)),
      subject: 's',
      issuer: 'i',
      chainLength: 2,
      chainComplete: true,
      keyAlgorithm: 'ECDSA P-256',
    };
    this.issued.set(version.fingerprint256, version);
    const next = { ...record, currentVersion: version.id, nextNumber: record.nextNumber + 1 };
    this.#entries.set(id, { record: next, current: version });
    this.#notify(id);
    return version.id;
  }

  change(id: string, change: Partial<CertificateRecord>): void {
    const entry = this.#get(id);
    this.#entries.set(id, { ...entry, record: { ...entry.record, ...change } });
    this.#notify(id);
  }

  /** Everything about the certificate as it was when `entry` was read. */
  restore(entry: DeliveryEntry): void {
    this.#entries.set(entry.record.id, entry);
  }

  setOutputs(id: string, outputs: readonly OutputSpec[]): void {
    this.change(id, { spec: { ...this.#get(id).record.spec, outputs } });
  }

  state(id: string, output: OutputSpec): OutputState | undefined {
    return this.#get(id).record.outputs[output.id];
  }

  #get(id: string): DeliveryEntry {
    const entry = this.#entries.get(id);
    assert.ok(entry !== undefined, `no certificate ${id}`);
    return entry;
  }
  #notify(id: string): void {
    for (const listener of this.#listeners) listener([id]);
  }
}

export function fingerprint(id: VersionId): string {
  return Buffer.from(id).toString('hex');
}

type Behaviour = 'works' | 'hangs' | CertplaneError;

/** A place that holds what was last delivered to it, or misbehaves as told. */
export class Place {
  held: string | undefined;
  /** What it holds when no version of the registry has that fingerprint. */
  foreign: HeldCertificate | undefined;
  intact = true;
  behaviour: Behaviour = 'works';
  readonly deliveries: VersionId[] = [];
  looks = 0;
  busy = false;
  /** Ends a delivery that hangs, well. */
  release = Promise.withResolvers<void>();

  async deliver(version: DeliverableVersion, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    assert.equal(this.busy, false, 'two deliveries to one place at once');
    this.busy = true;
    try {
      this.deliveries.push(version.versionId);
      if (this.behaviour === 'hangs') {
        const aborted = Promise.withResolvers<never>();
        signal.addEventListener('abort', () => aborted.reject(signal.reason as Error), { once: true });
        await Promise.race([this.release.promise, aborted.promise]);
      } else if (this.behaviour instanceof CertplaneError) {
        if (this.behaviour.code.startsWith('output.reload')) this.held = version.fingerprint256;
        throw this.behaviour;
      }
      this.held = version.fingerprint256;
    } finally {
      this.busy = false;
    }
  }
}

export interface LoggedLine extends LogFields {
  readonly level: string;
  readonly message: string;
}

/** A deliverer's world: its registry, its places, its clock, and what it logged. */
export class Fleet {
  readonly clock: ManualClock;
  readonly registry: TestRegistry;
  readonly places = new Map<string, Place>();
  readonly logged: LoggedLine[] = [];
  /** Makes looking at what a place holds fail. */
  lookFailure: Error | undefined;
  /** What running a reload command is; for outputs that have one. */
  reload: (command: ReloadCommand) => Promise<void> = () => Promise.resolve();
  readonly #reloads: ReloadCommands;
  /** Takes the place of every scripted output. */
  real: Output | undefined;

  constructor(clock: ManualClock) {
    this.clock = clock;
    this.registry = new TestRegistry(clock);
    this.#reloads = new ReloadCommands({ clock, execute: async (command) => await this.reload(command) });
  }

  place(output: OutputSpec): Place {
    const place = this.places.get(output.id) ?? new Place();
    this.places.set(output.id, place);
    return place;
  }

  /** A deliverer as after a start of the process; `await using` it. */
  async start(): Promise<Deliverer> {
    const deliverer = createDeliverer({
      registry: this.registry,
      outputFor: (spec) => this.real ?? this.#output(spec),
      clock: this.clock,
      log: this.#log({}),
    });
    await deliverer.start(new AbortController().signal);
    return deliverer;
  }

  #output(spec: OutputSpec): Output {
    const place = this.place(spec);
    const command = spec.kind === 'files' ? spec.reloadCommand : undefined;
    return {
      spec,
      deliver: async (version, signal, onSwitched) => {
        await place.deliver(version, signal);
        if (command === undefined) return;
        onSwitched?.();
        await this.#reloads.run({ argv: command, timeoutMs: 1000, keyPem: version.bundle.keyPem }, signal);
      },
      current: async () => {
        place.looks += 1;
        if (this.lookFailure !== undefined) throw this.lookFailure;
        const version = this.registry.issued.get(place.held ?? '');
        if (version === undefined) return place.held === undefined ? undefined : place.foreign;
        const { fingerprint256, names, notBefore, notAfter } = version;
        return { fingerprint256, names, notBefore, notAfter, intact: place.intact };
      },
    };
  }

  #log(bound: LogFields): Log {
    const line =
      (level: string) =>
      (message: string, fields: LogFields = {}): void =>
        void this.logged.push({ level, message, ...bound, ...fields });
    return {
      debug: line('debug'),
      info: line('info'),
      warn: line('warn'),
      error: line('error'),
      child: (fields) => this.#log({ ...bound, ...fields }),
    };
  }
}
