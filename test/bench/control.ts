/**
 * The control process as a terminator sees it: the feed's wire protocol (src/core/feed.ts) over a unix socket, with
 * certificates from the fixtures. It answers at once and writes nothing, so that what is measured is the terminator.
 */
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import type { Acknowledgement, CertificateItem } from '../../src/core/feed.ts';
import { monotonicMs } from '../support/load-types.ts';
import type { Leaf } from './fixtures/certificates.ts';

const epoch = 'bench';

interface Held {
  readonly leaf: Leaf;
  readonly sequence: number;
}

export class Control implements AsyncDisposable {
  readonly #keyPem: string;
  readonly #server: Server;
  /** By name, in the order of their announcement. */
  readonly #held = new Map<string, Held>();
  readonly #streams = new Set<ServerResponse>();
  readonly #waiting: { sequence: number; resolve: (at: number) => void; reject: (error: Error) => void }[] = [];
  readonly #pings: NodeJS.Timeout;
  #sequence = 0;
  #acknowledged = 0;

  private constructor(keyPem: string) {
    this.#keyPem = keyPem;
    this.#server = createServer((request, response) => {
      // A terminator that is ended leaves requests behind.
      this.#answer(request, response).catch(() => response.destroy());
    });
    this.#server.keepAliveTimeout = 600_000;
    this.#pings = setInterval(() => this.#tell({ type: 'ping', revision: this.#revision() }), 10_000);
  }

  static async start(socketPath: string, keyPem: string): Promise<Control> {
    await mkdir(dirname(socketPath), { recursive: true, mode: 0o700 });
    const control = new Control(keyPem);
    control.#server.listen(socketPath);
    await once(control.#server, 'listening');
    return control;
  }

  /** Announces new versions. Resolves, with `monotonicMs()`, when every worker serves all of them; rejects when one is refused. */
  async publish(leaves: readonly Leaf[]): Promise<number> {
    const lines = leaves.map((leaf) => {
      this.#sequence += 1;
      const held = { leaf, sequence: this.#sequence };
      this.#held.delete(leaf.name);
      this.#held.set(leaf.name, held);
      return JSON.stringify({ type: 'item', revision: this.#revision(held.sequence), item: itemOf(held) }) + '\n';
    });
    const sequence = this.#sequence;
    for (const stream of this.#streams) stream.write(lines.join(''));
    return await this.acknowledged(sequence);
  }

  /** What a terminator that connects from now on finds. */
  hold(leaves: readonly Leaf[]): void {
    for (const leaf of leaves) this.#held.set(leaf.name, { leaf, sequence: (this.#sequence += 1) });
  }

  async acknowledged(sequence = this.#sequence): Promise<number> {
    if (this.#acknowledged >= sequence) return monotonicMs();
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#waiting.push({ sequence, resolve, reject });
    return await promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#pings);
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = '', query = ''] = (request.url ?? '').split('?');
    if (path === '/feed') await this.#feed(response, /since=bench\.(\d+)/.exec(decodeURIComponent(query))?.[1]);
    else if (path.startsWith('/material/')) this.#material(response, decodeURIComponent(path.slice(10)));
    else {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      if (path === '/acknowledge') this.#acknowledge(JSON.parse(body) as Acknowledgement);
      response.writeHead(204).end();
    }
  }

  async #feed(response: ServerResponse, since: string | undefined): Promise<void> {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    const revision = this.#revision();
    const after = since === undefined ? 0 : Number(since);
    if (since === undefined) response.write(JSON.stringify({ type: 'snapshot-begin', revision }) + '\n');
    else response.flushHeaders();
    let part = '';
    for (const held of this.#held.values()) {
      if (held.sequence <= after) continue;
      // All lines of a snapshot have its revision.
      const at = since === undefined ? revision : this.#revision(held.sequence);
      part += JSON.stringify({ type: 'item', revision: at, item: itemOf(held) }) + '\n';
      if (part.length < 65_536) continue;
      if (!response.write(part)) await once(response, 'drain');
      part = '';
    }
    if (since === undefined) part += JSON.stringify({ type: 'snapshot-end', revision }) + '\n';
    if (part !== '') response.write(part);
    this.#streams.add(response);
    response.once('close', () => this.#streams.delete(response));
  }

  #material(response: ServerResponse, versionId: string): void {
    const found = this.#held.get(versionId.split('#')[0] ?? '');
    const body = JSON.stringify({ chainPem: found?.leaf.chainPem, keyPem: this.#keyPem });
    response.writeHead(found === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(body);
  }

  #acknowledge({ revision, refusals }: Acknowledgement): void {
    this.#acknowledged = Math.max(this.#acknowledged, Number(revision.split('.')[1]));
    for (const waiting of this.#waiting.splice(0)) {
      if (refusals.length > 0) waiting.reject(new Error(`a certificate was refused: ${JSON.stringify(refusals[0])}`));
      else if (this.#acknowledged >= waiting.sequence) waiting.resolve(monotonicMs());
      else this.#waiting.push(waiting);
    }
  }

  #revision(sequence = this.#sequence): string {
    return `${epoch}.${sequence}`;
  }

  #tell(line: object): void {
    for (const stream of this.#streams) stream.write(JSON.stringify(line) + '\n');
  }
}

function itemOf({ leaf, sequence }: Held): CertificateItem {
  const { name, serial, fingerprint256, notBefore, notAfter } = leaf;
  return {
    kind: 'certificate',
    certificateId: name,
    versionId: `${name}#${sequence}`,
    names: [name],
    notBefore,
    notAfter,
    serial,
    fingerprint256,
  };
}
