/** Debian's nginx with what it needs to be fast: pooled backend connections, nothing logged, nothing written to disk. */
import { startNginx } from '../../support/nginx.ts';
import { monotonicMs } from '../../support/load-types.ts';
import { freePort } from '../../support/ports.ts';
import { tempDir } from '../../support/tempdir.ts';
import { writePems } from '../fixtures/files.ts';
import { tree } from '../usage.ts';
import { idleSeconds, mostConnections, type Server, type ServerOptions } from './server.ts';

export async function nginx(options: ServerOptions): Promise<Server> {
  await using stack = new AsyncDisposableStack();
  const certificates = stack.use(await tempDir('nginx-certs-'));
  await writePems(certificates, options);
  const port = await freePort();
  const spawnedAt = monotonicMs();
  const server = stack.use(
    await startNginx({
      port,
      cpus: options.cpus,
      workers: options.workers ?? 1,
      workerConnections: mostConnections,
      ...(options.readyTimeoutMs === undefined ? {} : { readyTimeoutMs: options.readyTimeoutMs }),
      http: `server_names_hash_max_size 131072; server_names_hash_bucket_size 128;
client_max_body_size 0; client_body_buffer_size 16k; proxy_request_buffering off; proxy_max_temp_file_size 0;
proxy_buffer_size 16k; proxy_buffers 16 16k; proxy_busy_buffers_size 32k;
keepalive_requests 1000000000; keepalive_timeout ${idleSeconds}s; http2_max_requests 1000000000;
ssl_protocols TLSv1.3;
proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
upstream backend { server 127.0.0.1:${options.backend}; keepalive 128; keepalive_requests 1000000000; }
${options.leaves.map(({ name }) => serverBlock(port, certificates.path, name)).join('\n')}`,
    }),
  );
  const parts = stack.move();
  return {
    name: 'nginx',
    port,
    spawnedAt,
    pids: () => tree(server.process.pid),
    workers: () => tree(server.process.pid).slice(1),
    [Symbol.asyncDispose]: async () => await parts.disposeAsync(),
  };
}

function serverBlock(port: number, directory: string, name: string): string {
  const file = `${directory}/${name}.pem`;
  return `server { listen 127.0.0.1:${port} ssl http2; server_name ${name};
ssl_certificate ${file}; ssl_certificate_key ${file};
location / { proxy_pass http://backend; } }`;
}
