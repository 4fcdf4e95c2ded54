import { createServer } from 'node:net';

/**
 * Free ports come from below the kernel's ephemeral range (32768 up): a port from inside it can be taken by any
 * outgoing connection between the check and the bind, and load tests open tens of thousands of those.
 */
const FIRST = 15_000;
const LAST = 32_000;

const handedOut = new Set<number>();

export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (handedOut.has(port)) continue;
    if ((await canListen(port, '127.0.0.1')) && (await canListen(port, '::1'))) {
      handedOut.add(port);
      return port;
    }
  }
  throw new Error(`no free port between ${FIRST} and ${LAST} on loopback`);
}

export async function freePorts(count: number): Promise<number[]> {
  return await Promise.all(Array.from({ length: count }, freePort));
}

/** Whether nothing listens there on IPv4 loopback. */
export async function isFree(port: number): Promise<boolean> {
  return await canListen(port, '127.0.0.1');
}

async function canListen(port: number, host: string): Promise<boolean> {
  const server = createServer();
  return await new Promise((resolve) => {
    // A machine without IPv6 cannot clash there.
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'EADDRINUSE'));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
