/**
 * Opens `count` connections, asks one question on each, and keeps them: `node holder-process.ts '{"port":8443,…}'` prints
 * OPEN when all stand. SIGTERM: prints how many still do, and ends.
 */
import type { TLSSocket } from 'node:tls';
import { smallPath } from '../bodies.ts';
import { clientContext, get, open } from './https.ts';
import type { HolderOptions } from './holder.ts';

const { port, caPem, name, count } = JSON.parse(process.argv[2] ?? '{}') as HolderOptions;
const context = clientContext(caPem);
const held = new Set<TLSSocket>();
let begun = 0;

async function lane(): Promise<void> {
  while (begun < count) {
    const request = (begun += 1);
    const socket = await open({ port, name, context });
    await get(socket, name, smallPath(request));
    socket.on('error', () => undefined); // closing follows, and is what counts
    socket.once('close', () => held.delete(socket));
    held.add(socket);
  }
}

process.once('SIGTERM', () => process.stdout.write(`HELD ${held.size}\n`, () => process.exit(0)));
try {
  await Promise.all(Array.from({ length: 16 }, lane));
  console.log('OPEN');
} catch (error) {
  console.error(error);
  process.exit(1);
}
