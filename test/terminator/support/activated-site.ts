import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { tempDir } from '../../support/tempdir.ts';
import { TestCa } from '../../support/test-ca.ts';
import { until } from '../../support/until.ts';
import type { Activated } from './activator.ts';

export const bin = join(import.meta.dirname, '..', '..', '..', 'src', 'bin.ts');

export interface ActivatedSite extends AsyncDisposable {
  readonly config: string;
  readonly ca: TestCa;
}

/** A terminator that needs no control: a directory of certificates and one route. */
export async function activatedSite(httpsPort: number, httpPort: number): Promise<ActivatedSite> {
  const directory = await tempDir();
  const ca = await TestCa.create();
  const leaf = await ca.issue({ dnsNames: ['a.localhost'] });
  await mkdir(directory.join('certs'));
  await writeFile(directory.join('certs', 'a.crt'), leaf.fullchainPem);
  await writeFile(directory.join('certs', 'a.key'), leaf.keyPem, { mode: 0o600 });
  const config = directory.join('certplane.yaml');
  await writeFile(
    config,
    `dataDir: ./data
metrics: false
admin: { listen: '127.0.0.1:0' }
certificates: {}
terminator:
  workers: 2
  https: { listen: '127.0.0.1:${httpsPort}' }
  http: { listen: '127.0.0.1:${httpPort}' }
  sources: [{ files: { directory: ./certs } }]
  routes:
    - hosts: [a.localhost]
      respond: { status: 200, body: "here\\n" }
      automaticCertificate: false
`,
  );
  return { config, ca, [Symbol.asyncDispose]: async () => await directory[Symbol.asyncDispose]() };
}

export async function untilServing(program: Activated, port: number, ca: TestCa): Promise<void> {
  const attempt = async (): Promise<boolean> => {
    if (program.child.exitCode !== null) return true;
    const socket = tlsConnect({ port, host: '127.0.0.1', servername: 'a.localhost', ca: ca.certPem });
    const done = await Promise.race([
      once(socket, 'secureConnect').then(() => true),
      once(socket, 'close').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    return done;
  };
  await until(attempt, { what: 'the terminator to serve', timeoutMs: 30_000 });
  assert.equal(program.child.exitCode, null, program.output);
}
