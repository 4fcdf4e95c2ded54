/** What a terminator counts, for Prometheus. Counted in the workers, added up here. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { BackendReport, ServedEntry } from '../core/feed.ts';
import type { WorkerCounters } from './ipc/messages.ts';
import { WorkerHistogram } from './observe/worker-histogram.ts';

/** What one worker has in effect, as far as it differs between workers. */
export interface WorkerView {
  readonly pid: number;
  readonly connections: number;
  /** Changes it has been told of and has not in effect yet. */
  readonly behind: number;
  /** By certificate id: the serial it uses while it is behind on that certificate. */
  readonly older: ReadonlyMap<string, string>;
}

/** Read at the moment somebody asks. */
export interface MetricsView {
  workers(): readonly WorkerView[];
  served(): Iterable<ServedEntry>;
  backends(): readonly BackendReport[];
  /** Problem codes now, with how many there are of each. */
  problems(): ReadonlyMap<string, number>;
  /** Seconds since the oldest change that not every worker has in effect; 0 when all have. */
  lagSeconds(): number;
  feedConnected(): boolean;
}

export interface TerminatorMetrics {
  readonly registry: Registry;
  count(counters: WorkerCounters): void;
  /** A version took the place of another one in every worker, so long after it was there. */
  rotated(ms: number): void;
  workerRestarted(): void;
}

/** Certificates shown one by one: those that expire first. Scrapes stay bounded whatever the fleet's size. */
const mostCertificates = 500;
const rotationBounds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30];

export function createTerminatorMetrics(view: MetricsView): TerminatorMetrics {
  const registry = new Registry();
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: L[] = []): Counter<L> =>
    new Counter({ name: prefix(name), help, labelNames, registers });
  const gauge = (name: string, help: string, read: () => number): void => {
    const made: Gauge = new Gauge({ name: prefix(name), help, registers, collect: () => made.set(read()) });
  };
  const gauges = <L extends string>(name: string, help: string, labelNames: L[], read: (made: Gauge<L>) => void) => {
    const made: Gauge<L> = new Gauge({
      name: prefix(name),
      help,
      labelNames,
      registers,
      collect: () => {
        made.reset();
        read(made);
      },
    });
  };
  const requests = counter('requests_total', 'Requests answered, by protocol, route and class of status.', [
    'protocol',
    'route',
    'status',
  ]);
  const durations = new WorkerHistogram(
    prefix('request_duration_seconds'),
    'From a request to the end of its answer, by route.',
    'route',
  );
  const backendDurations = new WorkerHistogram(
    prefix('backend_duration_seconds'),
    'From a request to the first byte of the backend, by backend.',
    'backend',
  );
  for (const histogram of [durations, backendDurations]) registry.registerMetric(histogram);
  const handshakes = counter(
    'handshakes_total',
    'TLS handshakes, by version, cipher and whether a session was resumed.',
    ['version', 'cipher', 'resumed'],
  );
  const handshakeFailures = counter('handshake_failures_total', 'TLS handshakes that failed, by reason.', ['reason']);
  const backendFailures = counter(
    'backend_failures_total',
    'Requests a backend did not answer completely, by backend and reason.',
    ['backend', 'reason'],
  );
  const limits = counter('limits_total', 'Clients that were held to a limit, by limit.', ['limit']);
  const tunnels = counter(
    'tunnels_total',
    'TCP and passed-through connections that are over, by kind, backend and how they ended.',
    ['kind', 'backend', 'end'],
  );
  const tunnelBytes = counter('tunnel_bytes_total', 'Bytes of those connections, from clients and to them.', [
    'backend',
    'direction',
  ]);
  const rotations = counter('rotations_total', 'Certificate versions put in the place of another one.');
  const rotationTime = new Histogram({
    name: prefix('rotation_seconds'),
    help: 'From a new version being here until every worker serves it.',
    buckets: rotationBounds,
    registers,
  });
  const restarts = counter('worker_restarts_total', 'Workers that ended unexpectedly.');
  gauges('connections', 'Open client connections, by worker.', ['worker'], (made) => {
    for (const { pid, connections } of view.workers()) made.set({ worker: String(pid) }, connections);
  });
  gauge('workers', 'Worker processes.', () => view.workers().length);
  gauges('worker_changes_behind', 'Changes a worker has been told of and not in effect yet.', ['worker'], (made) => {
    for (const { pid, behind } of view.workers()) made.set({ worker: String(pid) }, behind);
  });
  gauge('certificates', 'Certificates that answer for at least one name.', () => [...view.served()].length);
  gauges(
    'certificate_not_after_seconds',
    `End of validity of the certificate a worker serves for a name, seconds since the epoch; the ${mostCertificates} that end first.`,
    ['certificate', 'name', 'serial', 'worker'],
    (made) => {
      const first = [...view.served()].toSorted((a, b) => a.notAfter - b.notAfter).slice(0, mostCertificates);
      for (const { certificateId, names, serial, notAfter } of first) {
        for (const { pid, older } of view.workers()) {
          const labels = { certificate: certificateId, name: names[0] ?? '', worker: String(pid) };
          made.set({ ...labels, serial: older.get(certificateId) ?? serial }, notAfter / 1000);
        }
      }
    },
  );
  gauges('backend_up', '1 while an endpoint takes requests.', ['backend', 'endpoint'], (made) => {
    for (const { backend, endpoint, state } of view.backends())
      made.set({ backend, endpoint }, state === 'healthy' ? 1 : 0);
  });
  gauge('feed_connected', '1 while the feed of the control process can be read.', () => Number(view.feedConnected()));
  gauge('feed_lag_seconds', 'Age of the oldest change that not every worker has in effect.', () => view.lagSeconds());
  gauges('problems', 'What is wrong now, by code.', ['code'], (made) => {
    for (const [code, number] of view.problems()) made.set({ code }, number);
  });
  return {
    registry,
    count: (counts) => {
      for (const [[protocol = '', route = '', status = ''], number] of labelled(counts.requests))
        requests.inc({ protocol, route, status }, number);
      for (const [[version = '', cipher = '', resumed = ''], number] of labelled(counts.handshakes))
        handshakes.inc({ version, cipher, resumed }, number);
      for (const [[backend = '', reason = ''], number] of labelled(counts.backendFailures))
        backendFailures.inc({ backend, reason }, number);
      for (const [reason, number] of Object.entries(counts.handshakeFailures))
        handshakeFailures.inc({ reason }, number);
      for (const [limit, number] of Object.entries(counts.limits)) limits.inc({ limit }, number);
      for (const [[kind = '', backend = '', end = ''], number] of labelled(counts.tunnels))
        tunnels.inc({ kind, backend, end }, number);
      for (const [[backend = '', direction = ''], number] of labelled(counts.tunnelBytes))
        tunnelBytes.inc({ backend, direction }, number);
      durations.add(counts.durations);
      backendDurations.add(counts.backendDurations);
    },
    rotated: (ms) => {
      rotations.inc();
      rotationTime.observe(ms / 1000);
    },
    workerRestarted: () => restarts.inc(),
  };
}

function labelled(counts: Readonly<Record<string, number>>): [string[], number][] {
  return Object.entries(counts).map(([key, number]) => [key.split('\n'), number]);
}

function prefix(name: string): string {
  return `certplane_terminator_${name}`;
}
