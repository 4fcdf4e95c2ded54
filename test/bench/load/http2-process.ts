/**
 * HTTP/2 clients in a process of their own: `connections`, each with `streams` requests in flight for `seconds`. Every
 * request has a path of its own and the answer has to be the one that belongs to it. Node's own client costs several times
 * what a fast server does, and would be what is measured.
 */
import type { TLSSocket } from 'node:tls';
import { smallBody, smallPath } from '../bodies.ts';
import { clientContext, open } from './https.ts';
import { flag, frame, frameType, greeting, request, saysOk } from './http2-frames.ts';
import type { Http2Options } from './http2.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as Http2Options;
const context = clientContext(options.caPem);
const latenciesMs: number[] = [];
let requests = 0;
let deadline = 0;

interface InFlight {
  readonly expected: string;
  readonly from: number;
  got: string;
  ok: boolean;
}

function drive(socket: TLSSocket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const streams = new Map<number, InFlight>();
  let lastStream = -1;
  let out: Buffer[] = [greeting()];
  let held: Buffer = Buffer.alloc(0);

  const ask = (): void => {
    const path = smallPath((requests += 1));
    lastStream += 2;
    streams.set(lastStream, { expected: smallBody(path), from: performance.now(), got: '', ok: false });
    out.push(request(lastStream, options.name, path, lastStream === 1));
  };

  const take = (type: number, flags: number, stream: number, payload: Buffer): void => {
    if (type === frameType.settings || type === frameType.ping) {
      if ((flags & flag.ack) === 0)
        out.push(frame(type, flag.ack, 0, type === frameType.ping ? payload : Buffer.alloc(0)));
      return;
    }
    if (type === frameType.goaway || type === frameType.reset) throw new Error(`frame type ${type} on ${stream}`);
    if (type !== frameType.data && type !== frameType.headers) return;
    const found = streams.get(stream);
    if (found === undefined) throw new Error(`an answer on stream ${stream}, which is not open`);
    if (type === frameType.data) found.got += payload.toString('latin1');
    else if (found.ok) throw new Error('a second header block');
    else if ((flags & flag.endHeaders) === 0) throw new Error('a header block in several frames');
    else found.ok = saysOk(payload);
    if ((flags & flag.endStream) === 0) return;
    if (!found.ok || found.got !== found.expected)
      throw new Error(`not the answer expected: ${found.ok} ${found.got.slice(0, 200)}`);
    latenciesMs.push(performance.now() - found.from);
    streams.delete(stream);
    if (performance.now() < deadline) ask();
    else if (streams.size === 0) resolve();
  };

  socket.on('data', (chunk: Buffer) => {
    let data = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    try {
      while (data.length >= 9) {
        const end = 9 + data.readUIntBE(0, 3);
        if (data.length < end) break;
        take(data[3] as number, data[4] as number, data.readUInt32BE(5) & 0x7fff_ffff, data.subarray(9, end));
        data = data.subarray(end);
      }
    } catch (error) {
      reject(error instanceof Error ? error : new Error(String(error)));
    }
    held = data;
    flush();
  });
  const flush = (): void => {
    if (out.length > 0) socket.write(out.length === 1 ? (out[0] as Buffer) : Buffer.concat(out));
    out = [];
  };
  socket.once('error', reject);
  socket.once('close', () => reject(new Error('the server closed the connection')));
  for (let stream = 0; stream < options.streams; stream += 1) ask();
  flush();
  return promise;
}

try {
  const sockets = await Promise.all(
    Array.from({ length: options.connections }, () =>
      open({ port: options.port, name: options.name, context, alpn: 'h2' }),
    ),
  );
  const from = performance.now();
  deadline = from + options.seconds * 1000;
  await Promise.all(sockets.map(drive));
  const report = { seconds: (performance.now() - from) / 1000, latenciesMs };
  process.stdout.write(`REPORT ${JSON.stringify(report)}\n`, () => process.exit(0));
} catch (error) {
  console.error(error);
  process.exit(1);
}
