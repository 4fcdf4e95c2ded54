/** The least that Node can do: a `tls.Server` that answers every request itself. `node bare-node-process.ts CHAIN KEY PORT` */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:tls';
import { smallBody } from '../bodies.ts';

const [chainFile = '', keyFile = '', port] = process.argv.slice(2);
const server = createServer({ cert: readFileSync(chainFile), key: readFileSync(keyFile) }, (socket) => {
  socket.on('error', () => socket.destroy()); // clients come and go as they like
  socket.on('data', (chunk: Buffer) => {
    const path = chunk.toString('latin1', 0, chunk.indexOf('\r\n')).split(' ')[1] ?? '/';
    const body = smallBody(path);
    socket.write(
      `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      'latin1',
    );
  });
});
server.listen(Number(port), '127.0.0.1', 1024, () => console.log('ready'));
