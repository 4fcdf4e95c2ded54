/** Debian's HAProxy: one thread per worker wanted, pooled backend connections, nothing logged. */
import { startHaproxy } from '../../support/haproxy.ts';
import { monotonicMs } from '../../support/load-types.ts';
import { freePort } from '../../support/ports.ts';
import { tempDir } from '../../support/tempdir.ts';
import { writeCrtList, writePems } from '../fixtures/files.ts';
import { tree } from '../usage.ts';
import { idleSeconds, type Server, type ServerOptions } from './server.ts';

export async function haproxy(options: ServerOptions): Promise<Server> {
  await using stack = new AsyncDisposableStack();
  const certificates = stack.use(await tempDir('haproxy-certs-'));
  await writePems(certificates, options);
  const list = await writeCrtList(certificates, options.leaves);
  const port = await freePort();
  const spawnedAt = monotonicMs();
  const server = stack.use(
    await startHaproxy({
      port,
      cpus: options.cpus,
      ...(options.readyTimeoutMs === undefined ? {} : { readyTimeoutMs: options.readyTimeoutMs }),
      config: `global
  nbthread ${options.workers ?? 1}
  maxconn 4000
  ssl-default-bind-options ssl-min-ver TLSv1.3
defaults
  mode http
  timeout connect 5s
  timeout client ${idleSeconds}s
  timeout server ${idleSeconds}s
  timeout http-keep-alive ${idleSeconds}s
  http-reuse always
  option forwardfor
frontend front
  bind 127.0.0.1:${port} ssl crt-list ${list} alpn h2,http/1.1
  http-request set-header X-Forwarded-Proto https
  default_backend back
backend back
  server one 127.0.0.1:${options.backend} pool-max-conn -1
`,
    }),
  );
  const parts = stack.move();
  return {
    name: 'HAProxy',
    port,
    spawnedAt,
    pids: () => tree(server.process.pid),
    workers: () => [server.process.pid],
    [Symbol.asyncDispose]: async () => await parts.disposeAsync(),
  };
}
