/** What TLS in Node costs without any of us. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { monotonicMs } from '../../support/load-types.ts';
import { freePort } from '../../support/ports.ts';
import { spawnProcess } from '../../support/process.ts';
import { tempDir } from '../../support/tempdir.ts';
import { tree } from '../usage.ts';
import type { Server, ServerOptions } from './server.ts';

export async function bareNode({ leaves: [leaf], keyPem, cpus }: ServerOptions): Promise<Server> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await tempDir());
  await writeFile(directory.join('chain.pem'), leaf?.chainPem ?? '');
  await writeFile(directory.join('key.pem'), keyPem, { mode: 0o600 });
  const port = await freePort();
  const file = join(import.meta.dirname, 'bare-node-process.ts');
  const args = [file, directory.join('chain.pem'), directory.join('key.pem'), String(port)];
  const spawnedAt = monotonicMs();
  const server = stack.use(spawnProcess(process.execPath, args, { name: 'bare Node', cpus }));
  await server.waitForLine('ready');
  const parts = stack.move();
  return {
    name: 'Node tls.Server',
    port,
    spawnedAt,
    pids: () => tree(server.pid),
    workers: () => [server.pid],
    [Symbol.asyncDispose]: async () => await parts.disposeAsync(),
  };
}
