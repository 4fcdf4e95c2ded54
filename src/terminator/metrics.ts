/** What a terminator counts, for Prometheus. Counted in the workers, added up here. */
import { Counter, Gauge, Registry } from 'prom-client';
import type { WorkerCounters } from './ipc/messages.ts';

/** Read at the moment somebody asks. */
export interface MetricsView {
  connections(): number;
  workers(): number;
  certificates(): number;
  /** Problem codes now, with how many there are of each. */
  problems(): ReadonlyMap<string, number>;
  /** Seconds since the oldest change that not every worker has in effect; 0 when all have. */
  lagSeconds(): number;
  feedConnected(): boolean;
}

export interface TerminatorMetrics {
  readonly registry: Registry;
  count(counters: WorkerCounters): void;
  rotated(): void;
  workerRestarted(): void;
}

export function createTerminatorMetrics(view: MetricsView): TerminatorMetrics {
  const registry = new Registry();
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: L[] = []): Counter<L> =>
    new Counter({ name: `certplane_terminator_${name}`, help, labelNames, registers });
  const gauge = (name: string, help: string, read: () => number): void => {
    const made: Gauge = new Gauge({
      name: `certplane_terminator_${name}`,
      help,
      registers,
      collect: () => made.set(read()),
    });
  };
  const requests = counter('requests_total', 'Requests answered, by protocol and class of status.', [
    'protocol',
    'status',
  ]);
  const handshakes = counter('handshakes_total', 'TLS handshakes: ok, resumed, or the reason why not.', ['result']);
  const backendFailures = counter(
    'backend_failures_total',
    'Requests a backend did not answer completely, by reason.',
    ['reason'],
  );
  const rotations = counter('rotations_total', 'Certificate versions put in the place of another one.');
  const restarts = counter('worker_restarts_total', 'Workers that ended unexpectedly.');
  gauge('connections', 'Open client connections.', () => view.connections());
  gauge('workers', 'Worker processes.', () => view.workers());
  gauge('certificates', 'Certificates that answer for at least one name.', () => view.certificates());
  gauge('feed_connected', '1 while the feed of the control process can be read.', () => Number(view.feedConnected()));
  gauge('feed_lag_seconds', 'Age of the oldest change that not every worker has in effect.', () => view.lagSeconds());
  const problems: Gauge<'code'> = new Gauge({
    name: 'certplane_terminator_problems',
    help: 'What is wrong now, by code.',
    labelNames: ['code'],
    registers,
    collect: () => {
      problems.reset();
      for (const [code, number] of view.problems()) problems.set({ code }, number);
    },
  });
  return {
    registry,
    count: (counters) => {
      for (const [key, number] of Object.entries(counters.requests)) {
        const [protocol = '', status = ''] = key.split(' ');
        requests.inc({ protocol, status }, number);
      }
      for (const [result, number] of Object.entries(counters.handshakes)) handshakes.inc({ result }, number);
      for (const [reason, number] of Object.entries(counters.backendFailures)) backendFailures.inc({ reason }, number);
    },
    rotated: () => rotations.inc(),
    workerRestarted: () => restarts.inc(),
  };
}
