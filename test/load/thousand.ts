/** A terminator with a thousand certificates, and a backend that demands a client certificate which is one of ours. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { Fixtures, nameOf } from '../bench/fixtures/certificates.ts';
import { startBackend, type Backend } from '../support/backend.ts';
import { monotonicMs } from '../support/load.ts';
import { tempDir } from '../support/tempdir.ts';
import { TestCa } from '../support/test-ca.ts';
import { backendAt, proxyRoute, startTerminator, type TestTerminator } from '../terminator/support/harness.ts';

export const certificates = 1_000;
export const names = Array.from({ length: certificates }, (_, index) => nameOf(index));
const gateway = 'file/gateway';

/** When it was acknowledged that every worker serves that serial. */
export interface Applied {
  readonly serial: string;
  readonly atMs: number;
}

export interface Thousand extends AsyncDisposable {
  readonly terminator: TestTerminator;
  readonly backend: Backend;
  readonly rootPem: string;
  /** By name, in their order. */
  readonly applied: ReadonlyMap<string, readonly Applied[]>;
  /** Serial numbers of the client certificate, in their order. */
  readonly clientSerials: readonly string[];
  /** New versions of these, at once; resolves when all of them are acknowledged. */
  rotate(indexes: readonly number[]): Promise<void>;
  /** A new version of the client certificate; resolves when it is acknowledged. */
  rotateClient(): Promise<void>;
}

export async function startThousand(): Promise<Thousand> {
  await using stack = new AsyncDisposableStack();
  const [backendCa, clientCa] = await Promise.all([TestCa.create('Backends'), TestCa.create('Clients')]);
  const directory = stack.use(await tempDir());
  await writeFile(directory.join('backends.pem'), backendCa.certPem);
  const leaf = await backendCa.issue({ dnsNames: ['app.internal'] });
  const tls = { certPem: leaf.certPem, keyPem: leaf.keyPem, clientCaPem: clientCa.certPem };
  // Connections end now and then, as they do everywhere, so that each version of the client certificate is shown.
  const backend = stack.use(await startBackend({ tls, requestsPerConnection: 25 }));
  const terminator = stack.use(
    await startTerminator({
      routes: [{ ...proxyRoute('*.bench.example', 'app') }],
      settings: {
        workers: 2,
        backends: {
          app: backendAt(backend.url, {
            tls: {
              verify: true,
              caFiles: [directory.join('backends.pem')],
              serverName: 'app.internal',
              clientCertificateId: gateway,
              minVersion: 'TLSv1.2',
            },
          }),
        },
      },
    }),
  );
  const fixtures = new Fixtures();
  const applied = new Map<string, Applied[]>(names.map((name) => [name, []]));
  const clientSerials: string[] = [];
  const { feed } = terminator;
  const rotate = async (indexes: readonly number[]): Promise<void> => {
    const leaves = indexes.map((index) => fixtures.leaf(index));
    const revisions = leaves.map(({ name, chainPem }) =>
      feed.publishCertificate(`file/${name}`, (applied.get(name)?.length ?? 0) + 1, {
        chainPem,
        keyPem: fixtures.keyPem,
      }),
    );
    const last = revisions.at(-1);
    assert.ok(last);
    const { refusals, workers } = await feed.acknowledged(last);
    assert.deepEqual([refusals, workers], [[], 2]);
    for (const { name, serial } of leaves) applied.get(name)?.push({ serial, atMs: monotonicMs() });
  };
  const rotateClient = async (): Promise<void> => {
    const client = await clientCa.issue({ client: true, dnsNames: ['gateway.internal'] });
    const bundle = { chainPem: client.fullchainPem, keyPem: client.keyPem };
    const revision = feed.publishCertificate(gateway, clientSerials.length + 1, bundle);
    const { refusals } = await feed.acknowledged(revision);
    assert.deepEqual(refusals, []);
    clientSerials.push(client.serial);
  };
  await rotateClient();
  await rotate(names.keys().toArray());
  const parts = stack.move();
  return {
    terminator,
    backend,
    rootPem: fixtures.rootPem,
    applied,
    clientSerials,
    rotate,
    rotateClient,
    [Symbol.asyncDispose]: async () => await parts.disposeAsync(),
  };
}
