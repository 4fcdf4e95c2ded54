/** The metrics of the control process, read from what the API reads, at the moment of the scrape. */
import { Counter, Gauge, Registry } from 'prom-client';
import { parseRevision } from '../core/feed.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { CertificateView, ControlView } from '../core/ports/control-view.ts';
import type { HistoryKind } from '../core/records.ts';
import { metricTable, type MetricName } from './metric-table.ts';

/** Numbers that only the parts themselves know. Totals count from the start of the process and never go down. */
export interface ControlStats {
  /** Issuances that ended, by issuer and result: `issued`, or an error code. */
  attempts(): Iterable<{ readonly issuer: string; readonly result: string; readonly count: number }>;
  queue(): { readonly running: number; readonly waiting: number };
  /** The feed's revision, `EPOCH.SEQUENCE`. */
  feedRevision(): string;
  history(): Iterable<{ readonly kind: HistoryKind; readonly count: number }>;
}

export interface ControlMetricsDeps {
  readonly view: Pick<ControlView, 'certificates' | 'issuers' | 'problems' | 'terminators'>;
  readonly stats: ControlStats;
  readonly clock: Clock;
}

export interface ControlMetricsOptions {
  /** Series with a `certificate` label are kept for this many certificates, the ones that end first. @default 10000 */
  readonly certificateSeries?: number;
}

/** What `createMetricsServer` takes. */
export type MetricsRegistry = Pick<Registry, 'metrics' | 'contentType'>;

/** Describing issuers may ask a store or a network; a scrape does not wait longer for it. */
const issuersTimeoutMs = 5_000;

export function createControlMetrics(
  { view, stats, clock }: ControlMetricsDeps,
  { certificateSeries = 10_000 }: ControlMetricsOptions = {},
): MetricsRegistry {
  const registry = new Registry();
  const gauge = <const L extends string>(name: MetricName, ...labelNames: L[]): Gauge<L> =>
    new Gauge({ name, help: metricTable[name], labelNames, registers: [registry] });
  const counter = <const L extends string>(name: MetricName, ...labelNames: L[]): Counter<L> =>
    new Counter({ name, help: metricTable[name], labelNames, registers: [registry] });

  const phases = gauge('certplane_certificates', 'phase');
  const deliveries = gauge('certplane_certificates_by_delivery', 'state');
  const withoutSeries = gauge('certplane_certificates_without_series');
  const notAfter = gauge('certplane_certificate_not_after_timestamp_seconds', 'certificate');
  const renewAt = gauge('certplane_certificate_renew_at_timestamp_seconds', 'certificate');
  const overdue = gauge('certplane_certificate_overdue_seconds', 'certificate');
  const failures = gauge('certplane_certificate_failures', 'certificate');
  const phase = gauge('certplane_certificate_phase', 'certificate', 'phase');
  const delivery = gauge('certplane_certificate_delivery', 'certificate', 'state');
  const attempts = counter('certplane_issuance_attempts_total', 'issuer', 'result');
  const running = gauge('certplane_issuance_running');
  const waiting = gauge('certplane_issuance_queue');
  const issuerUp = gauge('certplane_issuer_up', 'issuer');
  const feedRevision = gauge('certplane_feed_revision');
  const connected = gauge('certplane_terminators_connected');
  const upToDate = gauge('certplane_terminator_up_to_date', 'terminator');
  const served = gauge('certplane_terminator_served_certificates', 'terminator');
  const problems = gauge('certplane_problems', 'code');
  const history = counter('certplane_history_entries_total', 'kind');

  function readCertificate(one: CertificateView, now: number): void {
    const certificate = one.id;
    if (one.current !== undefined) notAfter.set({ certificate }, one.current.notAfter / 1000);
    if (one.renewAt !== undefined) {
      renewAt.set({ certificate }, one.renewAt / 1000);
      overdue.set({ certificate }, Math.max(0, now - one.renewAt) / 1000);
    }
    failures.set({ certificate }, one.record?.failures ?? 0);
    phase.set({ certificate, phase: one.status.phase }, 1);
    delivery.set({ certificate, state: one.status.delivery }, 1);
  }

  async function refresh(): Promise<void> {
    // Asked first: everything after it happens in one turn, so that two scrapes never mix.
    const issuers = await view.issuers(AbortSignal.timeout(issuersTimeoutMs));
    registry.resetMetrics();
    const all = view.certificates();
    for (const one of all) {
      phases.inc({ phase: one.status.phase });
      deliveries.inc({ state: one.status.delivery });
    }
    withoutSeries.set(Math.max(0, all.length - certificateSeries));
    const now = clock.now();
    for (const one of soonestEnding(all, certificateSeries)) readCertificate(one, now);
    for (const { issuer, result, count } of stats.attempts()) attempts.inc({ issuer, result }, count);
    for (const { kind, count } of stats.history()) history.inc({ kind }, count);
    const queue = stats.queue();
    running.set(queue.running);
    waiting.set(queue.waiting);
    for (const { name, problem } of issuers) issuerUp.set({ issuer: name }, problem === undefined ? 1 : 0);
    feedRevision.set(parseRevision(stats.feedRevision())?.sequence ?? 0);
    const terminators = view.terminators().filter((one) => one.connected);
    connected.set(terminators.length);
    for (const { id: terminator, acknowledged, current, served: count } of terminators) {
      upToDate.set({ terminator }, acknowledged === current ? 1 : 0);
      served.set({ terminator }, count);
    }
    for (const { code } of view.problems()) problems.inc({ code });
  }

  return {
    contentType: registry.contentType,
    async metrics() {
      await refresh();
      return await registry.metrics();
    },
  };
}

function soonestEnding(all: readonly CertificateView[], limit: number): readonly CertificateView[] {
  return all.length <= limit ? all : all.toSorted((a, b) => endOf(a) - endOf(b)).slice(0, limit);
}

/** What has no version yet comes first: it is where somebody waits. */
function endOf({ current }: CertificateView): number {
  return current?.notAfter ?? 0;
}
