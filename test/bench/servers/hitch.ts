/** Debian's hitch: TLS to TCP with one worker. */
import { startHitch } from '../../support/hitch.ts';
import { monotonicMs } from '../../support/load-types.ts';
import { freePort } from '../../support/ports.ts';
import { tempDir } from '../../support/tempdir.ts';
import { writePems } from '../fixtures/files.ts';
import { tree } from '../usage.ts';
import type { Server, ServerOptions } from './server.ts';

export async function hitch(options: ServerOptions): Promise<Server> {
  await using stack = new AsyncDisposableStack();
  const certificates = stack.use(await tempDir('hitch-certs-'));
  await writePems(certificates, options);
  const port = await freePort();
  const spawnedAt = monotonicMs();
  const server = stack.use(
    await startHitch({
      port,
      cpus: options.cpus,
      config: `frontend = "[127.0.0.1]:${port}"
backend = "[127.0.0.1]:${options.backend}"
workers = 1
daemon = off
quiet = on
tls-protos = TLSv1.3
${options.leaves.map(({ name }) => `pem-file = "${certificates.join(`${name}.pem`)}"`).join('\n')}
`,
    }),
  );
  const parts = stack.move();
  return {
    name: 'hitch',
    port,
    spawnedAt,
    pids: () => tree(server.process.pid),
    workers: () => tree(server.process.pid).slice(1),
    [Symbol.asyncDispose]: async () => await parts.disposeAsync(),
  };
}
