import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs } from '../../support/load-types.ts';
import { clientContext, open } from './https.ts';

const everyMs = 5;

/** Tries until a handshake for the name is finished; returns how long that was after `from` (`monotonicMs`). */
export async function firstHandshake(options: {
  port: number;
  name: string;
  caPem: string;
  from: number;
  timeoutMs: number;
}): Promise<number> {
  const { port, name, caPem, from, timeoutMs } = options;
  const context = clientContext(caPem);
  let last: unknown;
  while (monotonicMs() < from + timeoutMs) {
    try {
      const socket = await open({ port, name, context });
      const took = monotonicMs() - from;
      socket.destroy();
      return took;
    } catch (error) {
      last = error;
      await delay(everyMs);
    }
  }
  throw new Error(`no handshake within ${timeoutMs} ms`, { cause: last });
}

/** Serial of the certificate that a new handshake shows, upper-case hex. */
export async function servedSerial(port: number, name: string, caPem: string): Promise<string> {
  const socket = await open({ port, name, context: clientContext(caPem) });
  const serial = socket.getPeerX509Certificate()?.serialNumber ?? '';
  socket.destroy();
  return serial;
}
