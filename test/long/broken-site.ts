/** The configuration around the broken CAs: one certificate that renews itself by the minute, outputs, routes. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { site, terminatorOf, type Site } from '../e2e/site.ts';
import { freePorts } from '../support/ports.ts';
import { tempDir } from '../support/tempdir.ts';
import { brokenCas, stalledCertificates } from './broken-cas.ts';

export interface Backends {
  readonly backend: string;
  /** Accepts and never answers. */
  readonly silent: string;
}

export interface Place extends Site, Backends, AsyncDisposable {
  readonly dir: string;
  /** Nothing listens there. */
  readonly nobody: number;
}

export async function openPlace(backends: Backends): Promise<Place> {
  const directory = await tempDir('certplane-');
  await mkdir(join(directory.path, 'live'));
  const [nobody = 0] = await freePorts(1);
  return {
    ...(await site()),
    ...backends,
    nobody,
    dir: directory.path,
    [Symbol.asyncDispose]: async () => await directory[Symbol.asyncDispose](),
  };
}

export function configFor(place: Place, issuersYaml: string): string {
  const failing = brokenCas.map(({ name }) => `  ${name}: { dnsNames: [${name}.test], issuers: [${name}] }`);
  const stalled = stalledCertificates.map((name) => `  ${name}: { dnsNames: [${name}.test], issuers: [stalled] }`);
  return `${place.base}
issuers:
  local: { ca: {} }
${issuersYaml}
defaults: { issuers: [local] }
certificates:
  good: { dnsNames: [good.test], lifetime: 30s }
  spare: { dnsNames: [spare.test], lifetime: 90d }
  half: { dnsNames: [half.test], lifetime: 90d, outputs: [{ files: { directory: ./live/half } }] }
  blocked: { dnsNames: [blocked.test], lifetime: 90d, outputs: [{ files: { directory: ./live/blocked } }] }
  hook:
    dnsNames: [hook.test]
    lifetime: 90d
    outputs:
      - files: { directory: ./live/hook }
        reloadCommand: [sh, -c, 'echo hook started; echo $$ > ${place.dir}/hook.pid; sleep 600']
        reloadTimeout: 1s
${failing.join('\n')}
${stalled.join('\n')}
${terminatorOf(place)}
  timeouts: { handshake: 1s, header: 1s, body: 1s, idle: 2s, drain: 3s }
  backends:
    silent: { endpoints: ['${place.silent}'], timeouts: { connect: 1s, idle: 1s } }
  routes:
    - { hosts: [good.test], backend: '${place.backend}' }
    - { hosts: [good.test], path: /down, backend: 'http://127.0.0.1:${place.nobody}' }
    - { hosts: [good.test], path: /silent, backend: silent }
`;
}
