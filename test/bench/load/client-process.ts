/**
 * HTTP/1.1 clients in a process of their own: `node client-process.ts '{"port":8443,…}'` works until it has done `total`
 * requests, `seconds` are over or SIGTERM comes, then prints what it measured as one JSON line. The first wrong or
 * missing answer ends it with exit code 1, unless failures are to be counted.
 */
import type { TLSSocket } from 'node:tls';
import { monotonicMs } from '../../support/load-types.ts';
import { nameOf } from '../fixtures/certificates.ts';
import { smallPath } from '../bodies.ts';
import { clientContext, get, open } from './https.ts';
import type { ClientOptions, ClientReport } from './client.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as ClientOptions;
const context = clientContext(options.caPem);
const report: { -readonly [K in keyof ClientReport]: ClientReport[K] } = {
  startedAt: 0,
  seconds: 0,
  samples: [],
  resumed: 0,
  failures: [],
};
let begun = 0;
let stopped = false;
process.once('SIGTERM', () => (stopped = true));

const goesOn = (): boolean =>
  !stopped &&
  begun < (options.total ?? Infinity) &&
  (options.seconds === undefined || monotonicMs() < report.startedAt + options.seconds * 1000);

/** All lanes together take the names in turn. */
function nextName(request: number): string {
  return options.name ?? nameOf((options.firstName ?? 0) + (request % (options.names ?? 1)));
}

async function pause(sinceMs: number): Promise<void> {
  const { everyMs } = options;
  if (everyMs === undefined) return;
  const { promise, resolve } = Promise.withResolvers<undefined>();
  setTimeout(() => resolve(undefined), Math.max(0, everyMs - (monotonicMs() - sinceMs)));
  await promise;
}

async function attempt(name: string, work: () => Promise<void>): Promise<void> {
  const from = monotonicMs();
  try {
    await work();
    report.samples.push([from, monotonicMs() - from]);
  } catch (error) {
    if (options.countFailures !== true) throw error;
    report.failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
  await pause(from);
}

/** A connection for every request. */
async function newConnections(): Promise<void> {
  let session: Buffer | undefined;
  while (goesOn()) {
    const request = (begun += 1) - 1;
    const name = nextName(request);
    const offered = options.resume === true ? session : undefined;
    await attempt(name, async () => {
      const socket = await open({ port: options.port, name, context, session: offered });
      socket.on('session', (ticket: Buffer) => (session = ticket));
      await get(socket, name, smallPath(request));
      if (offered !== undefined && !socket.isSessionReused()) throw new Error('the session was not resumed');
      if (socket.isSessionReused()) report.resumed += 1;
      socket.on('error', () => socket.destroy()); // what happens to it from here on is nobody's business
      socket.end();
    });
  }
}

/** One connection for all requests. */
async function kept(): Promise<void> {
  let held: { socket: TLSSocket; name: string } | undefined;
  while (goesOn()) {
    const request = (begun += 1) - 1;
    await attempt('kept', async () => {
      if (held === undefined || held.socket.destroyed) {
        const name = nextName(request);
        held = { socket: await open({ port: options.port, name, context }), name };
        held.socket.on('error', () => undefined); // the request in flight has its own listener
      }
      await get(held.socket, held.name, smallPath(request));
    });
  }
  held?.socket.end();
}

try {
  report.startedAt = monotonicMs();
  const { newLanes = 0, keptLanes = 0 } = options;
  await Promise.all([...Array.from({ length: newLanes }, newConnections), ...Array.from({ length: keptLanes }, kept)]);
  report.seconds = (monotonicMs() - report.startedAt) / 1000;
  process.stdout.write(`REPORT ${JSON.stringify(report)}\n`, () => process.exit(0));
} catch (error) {
  console.error(error);
  process.exit(1);
}
