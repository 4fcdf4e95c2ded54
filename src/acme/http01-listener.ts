import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { CertplaneError } from '../core/errors.ts';
import type { Challenge, ChallengeSolver } from '../core/ports/challenge-solver.ts';
import type { Log } from '../core/ports/log.ts';
import { formatAddress } from '../core/listen-address.ts';
import type { ListenAddress } from '../core/terminator.ts';

const path = '/.well-known/acme-challenge/';

/**
 * Answers http-01 (RFC 8555 §8.3) where no terminator runs: listens only while something is presented, and serves
 * nothing else. `present` throws `challenge.present-failed` when the address cannot be opened.
 */
export function createHttp01Listener(deps: {
  readonly listen: ListenAddress;
  readonly log: Log;
}): ChallengeSolver & AsyncDisposable {
  const { listen, log } = deps;
  const answers = new Map<string, string>();
  let server: Server | undefined;
  let change: Promise<void> = Promise.resolve();

  /** Opens or closes, one change at a time, until the listener is what the answers ask for. */
  async function settle(): Promise<void> {
    const previous = change;
    const mine = Promise.withResolvers<void>();
    change = mine.promise;
    await previous;
    try {
      if (answers.size > 0 && server === undefined) {
        server = await open(listen, answers);
        log.info('Listening for the CA, which is about to verify names.', { address: formatAddress(listen) });
      } else if (answers.size === 0 && server !== undefined) {
        const closing = server;
        server = undefined;
        await close(closing);
      }
    } finally {
      mine.resolve();
    }
  }

  return {
    async present({ token, keyAuthorization }: Challenge, signal) {
      if (signal.aborted) throw new CertplaneError('process.aborted', 'The challenge was not presented.');
      answers.set(token, keyAuthorization);
      try {
        await settle();
      } catch (error) {
        answers.delete(token);
        throw error;
      }
    },
    async cleanUp({ token }: Challenge) {
      answers.delete(token);
      await settle();
    },
    async [Symbol.asyncDispose]() {
      answers.clear();
      await settle();
    },
  };
}

async function open(listen: ListenAddress, answers: ReadonlyMap<string, string>): Promise<Server> {
  const options = { headersTimeout: 5_000, requestTimeout: 10_000, keepAlive: false };
  const server = createServer(options, (request, response) => respond(answers, request, response));
  server.maxConnections = 256;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.on('error', reject);
  server.listen({ host: listen.host, port: listen.port, ipv6Only: false }, resolve);
  try {
    await promise;
  } catch (cause) {
    const error = cause as NodeJS.ErrnoException;
    // "Every address" on a machine without IPv6 is every address of IPv4.
    if (error.code === 'EAFNOSUPPORT' && listen.host === '::')
      return await open({ ...listen, host: '0.0.0.0' }, answers);
    throw bindError(listen, error);
  }
  return server;
}

async function close(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections(); // nothing is asked for any more
  await promise;
}

function respond(answers: ReadonlyMap<string, string>, request: IncomingMessage, response: ServerResponse): void {
  const url = request.url ?? '';
  const answer = url.startsWith(path) ? answers.get(url.slice(path.length)) : undefined;
  const known = answer !== undefined && (request.method === 'GET' || request.method === 'HEAD');
  const body = known ? answer : 'Not found: this address only answers the challenges of a certificate authority.\n';
  response.writeHead(known ? 200 : 404, {
    'content-type': known ? 'application/octet-stream' : 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    connection: 'close',
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function bindError(listen: ListenAddress, cause: NodeJS.ErrnoException): CertplaneError {
  const address = formatAddress(listen);
  const advice =
    cause.code === 'EADDRINUSE'
      ? 'Another program has it: let the terminator serve that port, or set solvers[].http01.listen to an address that requests of the CA are forwarded to.'
      : cause.code === 'EACCES'
        ? 'Ports below 1024 need CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities), or set solvers[].http01.listen to a higher port that port 80 is forwarded to.'
        : 'Set solvers[].http01.listen to an address of this machine.';
  const message = `Challenges cannot be answered at ${address} (${cause.code ?? cause.message}). ${advice}`;
  return new CertplaneError('challenge.present-failed', message, { cause });
}
