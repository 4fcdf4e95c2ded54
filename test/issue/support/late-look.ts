import { createServer } from 'node:http';
import { once } from 'node:events';
import { fetchOnce } from '../../support/http.ts';
import { until } from '../../support/until.ts';

/** Stands where the CA looks, and lets it see what answers behind: not before it may, and again when there is nothing yet. */
export interface LateLook extends AsyncDisposable {
  hold(): void;
  release(): void;
}

export async function lateLook(port: number, behind: number): Promise<LateLook> {
  let free = Promise.withResolvers<void>();
  free.resolve();
  const server = createServer((request, response) => {
    const look = async (): Promise<string | undefined> => {
      const url = `http://127.0.0.1:${behind}${request.url ?? ''}`;
      const { status, body } = await fetchOnce(url, {});
      return status === 200 ? body : undefined;
    };
    void free.promise
      .then(async () => await until(look, { timeoutMs: 3000 }))
      .then(
        (body) => response.end(body),
        () => response.writeHead(502).end(),
      );
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    hold: () => void (free = Promise.withResolvers<void>()),
    release: () => free.resolve(),
    async [Symbol.asyncDispose]() {
      free.resolve();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
