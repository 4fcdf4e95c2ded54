/**
 * A load client in a process of its own, so that its CPU time and its event loop are not the test's.
 * `node load-client.ts '{"mode":"keepalive","port":8443,…}'` prints each failure with its cause as a JSON line,
 * progress lines, and a summary at the end. SIGTERM or the end of stdin: finishes what is in flight, then the summary.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { h2Lanes } from './load-h2.ts';
import { httpLanes } from './load-http.ts';
import {
  monotonicMs,
  type Lane,
  type LoadContext,
  type LoadEvent,
  type LoadFailure,
  type LoadOptions,
  type LoadSummary,
} from './load-types.ts';
import { webSocketLanes } from './load-websocket.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as LoadOptions;
const { mode, servernames, total = Infinity, concurrency = 8, pauseMs = 0, maxMs = 240_000 } = options;
const serials: LoadSummary['serials'] = {};
const handshakeLog: LoadSummary['handshakeLog'] = [];
const resumptions: LoadSummary['resumptions'] = [];
const latenciesMs: number[] = [];
let handshakes = 0;
let started = 0;
let done = 0;
let failures = 0;

const stopping = new AbortController();
process.once('SIGTERM', () => stopping.abort());
setTimeout(() => stopping.abort(), maxMs).unref();

const context: LoadContext = {
  options,
  handshake: (startedMs, servername, serial) => {
    handshakes += 1;
    const seen = (serials[servername] ??= {});
    seen[serial] = (seen[serial] ?? 0) + 1;
    if (options.recordHandshakes) handshakeLog.push([startedMs, servername, serial]);
  },
  resumption: (...resumption) => void resumptions.push(resumption),
};

function print(event: LoadEvent): void {
  process.stdout.write(JSON.stringify(event) + '\n');
}

async function work(lane: Lane): Promise<void> {
  while (!stopping.signal.aborted && started < total) {
    const request = (started += 1);
    const servername = servernames[request % servernames.length] ?? 'localhost';
    const startedMs = monotonicMs();
    try {
      await lane.send(request, servername);
      latenciesMs.push(monotonicMs() - startedMs);
    } catch (error) {
      failures += 1;
      print(describe(error, { request, servername, startedMs }));
      // A server that is away must not be answered with a storm.
      await delay(20);
    }
    done += 1;
    if (done % 100 === 0) print({ type: 'progress', done });
    if (pauseMs > 0) await delay(pauseMs);
  }
}

function describe(
  error: unknown,
  { request, servername, startedMs }: Pick<LoadFailure, 'request' | 'servername' | 'startedMs'>,
): LoadFailure {
  const cause = error as Partial<LoadFailure> & { code?: string; message?: string };
  return {
    type: 'failure',
    startedMs,
    atMs: monotonicMs(),
    mode,
    servername,
    request,
    phase: cause.phase ?? 'request',
    code: cause.code ?? 'unknown',
    message: cause.message ?? String(error),
    carried: cause.carried ?? 0,
  };
}

function percentile(sorted: number[], share: number): number {
  return Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 100) / 100;
}

const makeLanes = { keepalive: httpLanes, new: httpLanes, h2: h2Lanes, websocket: webSocketLanes }[mode];
const lanes = makeLanes(context, Math.min(concurrency, total));
const startedMs = monotonicMs();
await Promise.all(lanes.map(work));
await Promise.all(lanes.map(async (lane) => await lane.close()));
latenciesMs.sort((a, b) => a - b);
print({
  type: 'summary',
  mode,
  requests: done,
  ok: done - failures,
  failures,
  handshakes,
  serials,
  elapsedMs: Math.round(monotonicMs() - startedMs),
  p50Ms: percentile(latenciesMs, 0.5),
  p99Ms: percentile(latenciesMs, 0.99),
  maxMs: percentile(latenciesMs, 1),
  handshakeLog,
  resumptions,
});
