/** WebSocket (RFC 6455, RFC 8441): once both sides have agreed, their bytes are joined. */
import type { Duplex } from 'node:stream';

/** Open until one side ends; the other one is ended then. */
export function joinStreams(client: Duplex, backend: Duplex): void {
  const ended = (): void => {
    client.destroy();
    backend.destroy();
  };
  backend.on('error', ended);
  client.on('error', ended);
  backend.once('close', () => (client.writableEnded ? undefined : client.end()));
  client.once('close', ended);
  client.pipe(backend);
  backend.pipe(client);
}
