import type { CertificateRecord, HistoryEntry, VersionRecord } from '../../src/core/records.ts';
import type {
  CertificateView,
  ControlChange,
  ControlView,
  Problem,
  ReloadResult,
  TerminatorView,
} from '../../src/core/ports/control-view.ts';
import type { HistoryQuery } from '../../src/core/ports/certificate-store.ts';
import type { IssuerDescription } from '../../src/core/ports/issuer.ts';
import { CertplaneError } from '../../src/core/errors.ts';

/** A control plane that is whatever the test says, and remembers what was asked of it. */
export class ScriptedView implements ControlView {
  #certificates = new Map<string, CertificateView>();
  readonly #listeners = new Set<(change: ControlChange) => void>();
  issuerList: IssuerDescription[] = [];
  terminatorList: TerminatorView[] = [];
  problemList: Problem[] = [];
  historyList: HistoryEntry[] = [];
  readonly calls: { method: string; arguments: readonly unknown[] }[] = [];
  /** Replaces what an asking method does; throw to make it fail, wait to make it slow. */
  act: (method: 'renew' | 'reload' | 'backup' | 'history' | 'issuers', signal: AbortSignal) => void | Promise<void> =
    () => undefined;

  set(...views: readonly CertificateView[]): void {
    for (const view of views) this.#certificates.set(view.id, view);
  }

  remove(id: string): void {
    this.#certificates.delete(id);
  }

  change(certificateIds: readonly string[], other = false): void {
    for (const listener of this.#listeners) listener({ certificateIds, other });
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  certificates(): readonly CertificateView[] {
    return [...this.#certificates.values()];
  }

  certificate(id: string): CertificateView | undefined {
    return this.#certificates.get(id);
  }

  async issuers(signal: AbortSignal): Promise<readonly IssuerDescription[]> {
    await this.act('issuers', signal);
    return this.issuerList;
  }

  terminators(): readonly TerminatorView[] {
    return this.terminatorList;
  }

  problems(): readonly Problem[] {
    return this.problemList;
  }

  async history(query: HistoryQuery, signal: AbortSignal): Promise<readonly HistoryEntry[]> {
    await this.act('history', signal);
    this.calls.push({ method: 'history', arguments: [query] });
    return this.historyList
      .filter((one) => query.before === undefined || one.id < query.before)
      .filter((one) => query.certificateId === undefined || one.certificateId === query.certificateId)
      .filter((one) => query.kinds?.includes(one.kind) ?? true)
      .toSorted((a, b) => b.id - a.id)
      .slice(0, query.limit);
  }

  async renew(id: string, actor: string, signal: AbortSignal): Promise<void> {
    await this.act('renew', signal);
    if (!this.#certificates.has(id)) {
      throw new CertplaneError('certificate.not-found', `There is no certificate ${id}.`);
    }
    this.calls.push({ method: 'renew', arguments: [id, actor] });
  }

  async reload(options: { acceptRemoval: boolean; actor: string }, signal: AbortSignal): Promise<ReloadResult> {
    await this.act('reload', signal);
    this.calls.push({ method: 'reload', arguments: [options] });
    return { added: 1, changed: 2, removed: 0, restartNeeded: ['admin.listen'], warnings: [] };
  }

  async backup(file: string, actor: string, signal: AbortSignal): Promise<void> {
    await this.act('backup', signal);
    this.calls.push({ method: 'backup', arguments: [file, actor] });
  }

  onChange(listener: (change: ControlChange) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }
}

const day = 86_400_000;

export interface ViewOptions extends Partial<Omit<CertificateView, 'status' | 'current' | 'record'>> {
  readonly status?: Partial<CertificateView['status']>;
  /** `null`: there is no version yet. */
  readonly current?: Partial<VersionRecord> | null;
  readonly record?: Partial<CertificateRecord> | null;
}

/** A healthy certificate of 90 days issued at `now`, but for what is said otherwise. */
export function viewOf(id: string, now: number, options: ViewOptions = {}): CertificateView {
  const { status, current, record, ...rest } = options;
  const names = options.names ?? [`${id.slice(id.indexOf('/') + 1)}.example.com`];
  const version: VersionRecord | undefined =
    current === null
      ? undefined
      : {
          id: `${id}#1`,
          certificateId: id,
          number: 1,
          issuerName: 'letsencrypt',
          chainPem: '',
          issuedAt: now,
          names,
          notBefore: now,
          notAfter: now + 90 * day,
          serial: '01AB',
          fingerprint256: 'a'.repeat(64),
          subject: 'CN=example',
          issuer: 'CN=issuer',
          chainLength: 2,
          chainComplete: true,
          keyAlgorithm: 'ECDSA P-256',
          ...current,
        };
  const kept: CertificateRecord | undefined =
    record === null
      ? undefined
      : {
          id,
          spec: {
            id,
            name: id,
            dnsNames: names,
            issuers: ['letsencrypt'],
            key: { algorithm: 'ecdsa', size: 256 },
            outputs: [],
          },
          createdAt: now,
          nextNumber: 2,
          failures: 0,
          outputs: {},
          ...record,
        };
  return {
    id,
    name: id.slice(id.indexOf('/') + 1),
    names,
    ...(kept === undefined ? {} : { record: kept }),
    ...(version === undefined ? {} : { current: version }),
    status: {
      phase: 'ready',
      phaseReason: { code: 'valid', message: 'It is valid.' },
      delivery: 'none',
      deliveryReason: { code: 'no-outputs', message: 'It has no outputs.' },
      managed: 'managed',
      managedReason: { code: 'wanted', message: 'It is in the configuration.' },
      ...status,
    },
    deliveries: [],
    next: { action: 'renew', at: now + 60 * day, reason: { code: 'lifetime', message: 'At 2/3 of its lifetime.' } },
    ...(version === undefined ? {} : { renewAt: now + 60 * day }),
    servedBy: [],
    ...rest,
  };
}
