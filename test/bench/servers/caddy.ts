/** Debian's Caddy with certificates from files: no ACME, no admin endpoint, no HTTP/3. */
import { startCaddy } from '../../support/caddy.ts';
import { monotonicMs } from '../../support/load-types.ts';
import { freePort } from '../../support/ports.ts';
import { tree } from '../usage.ts';
import type { Server, ServerOptions } from './server.ts';

export async function caddy({ leaves, keyPem, backend, cpus }: ServerOptions): Promise<Server> {
  const port = await freePort();
  const spawnedAt = monotonicMs();
  const server = await startCaddy({
    port,
    cpus, // it starts as many threads for Go as it may use cores
    files: { 'key.pem': keyPem, ...Object.fromEntries(leaves.map(({ name, chainPem }) => [`${name}.pem`, chainPem])) },
    config: `{
	admin off
	auto_https off
	servers {
		protocols h1 h2
	}
}
${leaves
  .map(
    ({ name }) => `https://${name}:${port} {
	bind 127.0.0.1
	tls ${name}.pem key.pem {
		protocols tls1.3
	}
	reverse_proxy 127.0.0.1:${backend}
}`,
  )
  .join('\n')}
`,
  });
  return {
    name: 'Caddy',
    port,
    spawnedAt,
    pids: () => tree(server.process.pid),
    workers: () => [server.process.pid],
    [Symbol.asyncDispose]: async () => await server[Symbol.asyncDispose](),
  };
}
