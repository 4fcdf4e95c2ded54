/** Takes uploads over plain HTTP/1.1 and compares each with `largeBody`. Prints its port. */
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { largeBody, uploadAnswer } from './bodies.ts';

function answer(status: string, body: string): string {
  return `HTTP/1.1 ${status}\r\ncontent-type: text/plain\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

function serve(socket: Socket): void {
  let head: Buffer = Buffer.alloc(0);
  /** Bytes of the present body so far; undefined between requests. */
  let got: number | undefined;
  let same = true;
  socket.on('error', () => socket.destroy()); // the proxy was ended while it kept connections open
  socket.on('data', (chunk: Buffer) => {
    let data = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    head = Buffer.alloc(0);
    while (data.length > 0) {
      if (got === undefined) {
        const end = data.indexOf('\r\n\r\n');
        if (end < 0) {
          head = data;
          return;
        }
        const length = /\r\ncontent-length: *(\d+)/i.exec(data.toString('latin1', 0, end))?.[1];
        if (Number(length) !== largeBody.length) {
          socket.end(answer('400 Bad Request', `a content-length of ${largeBody.length} was expected\n`));
          return;
        }
        data = data.subarray(end + 4);
        got = 0;
        same = true;
      }
      const part = data.subarray(0, largeBody.length - got);
      same &&= part.equals(largeBody.subarray(got, got + part.length));
      got += part.length;
      data = data.subarray(part.length);
      if (got === largeBody.length) {
        socket.write(same ? answer('200 OK', uploadAnswer) : answer('400 Bad Request', 'the body arrived changed\n'));
        got = undefined;
      }
    }
  });
}

const server = createServer({ noDelay: true }, serve);
server.listen(0, '127.0.0.1', 1024, () => console.log((server.address() as AddressInfo).port));
