/** What the scheduler would do with the configuration file, from the state on the disk: nothing is written, nobody is asked. */
import type { Config } from '../config/model.ts';
import type { CertificateRecord } from '../core/records.ts';
import type { CertificateSpec } from '../core/certificate.ts';
import { hasCode } from '../core/errors.ts';
import type { NextAction } from '../core/ports/control-view.ts';
import { silentLog } from '../core/ports/log.ts';
import { systemClock } from '../core/system-clock.ts';
import { Brake } from '../schedule/brake.ts';
import { createBudget, type Budget } from '../schedule/budget.ts';
import { askFor } from '../schedule/issuance.ts';
import { limitsFor, type IssuerLimits } from '../schedule/limits.ts';
import { decide } from '../schedule/reconcile.ts';
import { describeStatus } from '../schedule/status.ts';
import { compareDesired, refuseMassRemoval } from '../state/desired.ts';
import { loadRows } from '../state/registry-load.ts';
import { Rows, type RegistryEntry } from '../state/rows.ts';
import { loadEncryptionKey } from '../store/encryption.ts';
import { openSqliteStore, type SqliteStore } from '../store/sqlite-store.ts';

export interface PreviewAction {
  readonly id: string;
  readonly names: readonly string[];
  readonly issuers: readonly string[];
  /** `remove`: it left the file, and is renewed no more. */
  readonly action: NextAction['action'] | 'remove';
  readonly at: number | undefined;
  readonly reason: { readonly code: string; readonly message: string };
}

export interface Preview {
  readonly items: readonly PreviewAction[];
  /** What applying the file would be refused for. */
  readonly refusal: string | undefined;
  /** Whether there is a database yet. */
  readonly hasState: boolean;
}

export interface PreviewOptions {
  readonly config: Pick<Config, 'certificates' | 'dataDir' | 'issuers'>;
  readonly env: NodeJS.ProcessEnv;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * Also beside a running control process. Throws `store.corrupt`, `store.key-wrong`, `store.key-missing`,
 * `store.unavailable`; without a database everything is still to be issued.
 */
export async function preview(options: PreviewOptions, signal: AbortSignal): Promise<Preview> {
  await using store = await openState(options);
  return await previewOf(options, store, signal);
}

async function openState({ config: { dataDir }, env }: PreviewOptions): Promise<SqliteStore | undefined> {
  try {
    const { key } = await loadEncryptionKey({ dataDir, env, createIfMissing: false });
    return await openSqliteStore({ dataDir, key, clock: systemClock, log: silentLog, readOnly: true });
  } catch (error) {
    if (hasCode(error, 'store.not-found') || (await isEmpty(error, dataDir))) return undefined;
    throw error;
  }
}

/** Without a database there is nothing that a key could be missing for. */
async function isEmpty(error: unknown, dataDir: string): Promise<boolean> {
  const { databasePath, fileAt } = await import('../store/data-dir.ts');
  return hasCode(error, 'store.key-missing') && ((await fileAt(databasePath(dataDir)))?.size ?? 0) === 0;
}

async function previewOf(
  { config, now }: PreviewOptions,
  store: SqliteStore | undefined,
  signal: AbortSignal,
): Promise<Preview> {
  const known = new Map<string, RegistryEntry>();
  const brake = new Brake();
  let budget: Budget | undefined;
  if (store !== undefined) {
    const rows = new Rows(store);
    await loadRows({ store, rows, log: silentLog }, signal);
    for (const { entry } of rows.all()) known.set(entry.record.id, entry);
    await brake.load(store, signal);
    budget = createBudget({ store, clock: { ...systemClock, now: () => now }, limits: limitsOf(config) });
    await budget.load(signal);
  }
  const wanted = new Map(config.certificates.map((spec) => [spec.id, spec]));
  const records = [...known.values()].map(({ record }) => record);
  const { added, changed, removed } = compareDesired(wanted, records, now);
  const entries = merge(known, [...added, ...changed, ...removed]);
  for (const entry of entries) brake.note(entry.record.id, entry, now);
  const issuers = new Set(config.issuers.map(({ name }) => name));
  const decideFor = (entry: RegistryEntry): NextAction => {
    const decision = decide({
      now,
      entry,
      brake: brake.holds(entry.record.id),
      refused: (issuer) =>
        issuers.has(issuer)
          ? budget?.check(askFor(entry, issuer))
          : { code: 'issuer.unknown', message: `No issuer ${issuer} is configured.` },
    });
    return describeStatus(entry, { now, decision, servedBy: [] }).next;
  };
  const leaving = new Set(removed.map(({ id }) => id));
  const items = entries
    .filter(({ record }) => wanted.has(record.id) || leaving.has(record.id))
    .map((entry) => item(entry.record.spec, leaving.has(entry.record.id) ? removal : decideFor(entry)));
  const managed = records.filter(({ removedAt }) => removedAt === undefined).length;
  return { items, refusal: refusalOf(removed.length, managed), hasState: store !== undefined };
}

function limitsOf({ issuers }: Pick<Config, 'issuers'>): Map<string, IssuerLimits> {
  return new Map(
    issuers.flatMap((one) => (one.kind === 'acme' ? [[one.name, limitsFor(one.directory)] as const] : [])),
  );
}

const removal = {
  action: 'remove',
  at: undefined,
  reason: {
    code: 'removed',
    message: 'It is not in the file any more: no more renewals; its versions are kept for 30 days.',
  },
} as const;

function item(
  { id, dnsNames, issuers }: CertificateSpec,
  { action, at, reason }: Pick<PreviewAction, 'action' | 'reason'> & { readonly at?: number | undefined },
): PreviewAction {
  return { id, names: dnsNames, issuers, action, at, reason };
}

/** Every certificate, as the file makes it. */
function merge(known: ReadonlyMap<string, RegistryEntry>, changes: readonly CertificateRecord[]): RegistryEntry[] {
  const entries = new Map(known);
  for (const record of changes) entries.set(record.id, { ...known.get(record.id), record });
  return [...entries.values()];
}

function refusalOf(removed: number, managed: number): string | undefined {
  try {
    refuseMassRemoval(removed, managed);
    return undefined;
  } catch (error) {
    if (hasCode(error, 'config.removal-held')) return (error as Error).message;
    throw error;
  }
}
