/**
 * The backends, which share the load's cores and so have to be cheap. nginx answers `/small/NNNNNNNN` and `/large`;
 * uploads are compared byte by byte by a program of ours.
 */
import { join } from 'node:path';
import { startNginx } from '../support/nginx.ts';
import { freePort } from '../support/ports.ts';
import { spawnProcess } from '../support/process.ts';
import { largeBody, smallPadding } from './bodies.ts';

export interface Backend extends AsyncDisposable {
  readonly port: number;
}

export async function startBackend(): Promise<Backend> {
  const port = await freePort();
  const nginx = await startNginx({
    port,
    workerConnections: 4096,
    // As root it would have workers of another user, who may not read the file.
    main: process.getuid?.() === 0 ? 'user root;' : '',
    files: { large: largeBody.toString('latin1') },
    http: `keepalive_requests 1000000000; keepalive_timeout 1h; default_type text/plain; open_file_cache max=10;
sendfile on; tcp_nopush off;
server { listen 127.0.0.1:${port} backlog=4096;
  location /small/ { return 200 "$uri${smallPadding}"; }
  location = /large { root .; } }`,
  });
  return { port, [Symbol.asyncDispose]: async () => await nginx[Symbol.asyncDispose]() };
}

export async function startUploadBackend(): Promise<Backend> {
  const file = join(import.meta.dirname, 'upload-backend-process.ts');
  const child = spawnProcess(process.execPath, [file], { name: 'upload backend' });
  const [port] = await child.waitForLine(/^\d+$/m);
  return { port: Number(port), [Symbol.asyncDispose]: async () => await child[Symbol.asyncDispose]() };
}
