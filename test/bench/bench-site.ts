/** Certplane with a private CA in front of one backend, as the benchmarks use it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { site, terminatorOf, type Site } from '../e2e/site.ts';
import { startCertplane, type Certplane } from '../support/certplane.ts';
import { withChildren } from './cpu.ts';

export const host = 'bench.localhost';

export interface BenchSite extends AsyncDisposable {
  readonly certplane: Certplane;
  readonly place: Site;
  readonly caPem: string;
  /** The processes that serve: supervisor and workers. */
  readonly serving: () => readonly number[];
}

export async function benchSite(backend: string, workers: number): Promise<BenchSite> {
  const place = await site();
  const certplane = await startCertplane({
    configYaml: `${place.base}
issuers: { local: { ca: {} } }
defaults: { issuers: [local] }
${terminatorOf(place, { workers })}
  routes:
    - hosts: [${host}]
      backend: ${backend}
`,
    readyLine: /Certplane is running/,
  });
  const caPem = await readFile(join(certplane.dir, 'data', 'ca', 'local.pem'), 'utf8');
  return {
    certplane,
    place,
    caPem,
    serving: () => {
      const all = certplane.processes();
      const supervisor = all.find(({ args }) => args.includes('bin.ts terminator'));
      if (supervisor === undefined) throw new Error('There is no terminator process.');
      return withChildren(supervisor.pid);
    },
    [Symbol.asyncDispose]: async () => await certplane[Symbol.asyncDispose](),
  };
}
