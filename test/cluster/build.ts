/**
 * Finds or builds kube-apiserver and etcd. In order: TEST_ASSET_KUBE_APISERVER and TEST_ASSET_ETCD, KUBEBUILDER_ASSETS,
 * the project's cache, a build from the Go modules in ./go into that cache (minutes the first time).
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { cacheDir, withCacheLock } from '../support/cache.ts';
import { runProgram } from '../support/process.ts';

export interface KubePrograms {
  apiServer: string;
  etcd: string;
}

/** The message is the one line a person needs. */
export class KubeMissing extends Error {
  override readonly name = 'KubeMissing';
}

const moduleDir = join(import.meta.dirname, 'go');
const GO_NEEDED = 'Go 1.25 or newer';

export async function kubePrograms(progress: (line: string) => void = console.error): Promise<KubePrograms> {
  const given = fromEnvironment();
  if (given) return given;
  const directory = cacheDir('kube', `v${moduleVersion()}-${recipeDigest()}`);
  const built = { apiServer: join(directory, 'kube-apiserver'), etcd: join(directory, 'etcd') };
  if (existsSync(built.apiServer) && existsSync(built.etcd)) return built;
  if (!(await goWorks())) {
    throw new KubeMissing(
      `needs a Kubernetes API server: install ${GO_NEEDED} to build one, or set KUBEBUILDER_ASSETS to a directory that holds kube-apiserver and etcd`,
    );
  }
  return await withCacheLock(
    'kube',
    () => progress('waiting for another process that builds kube-apiserver'),
    async () => {
      if (!existsSync(built.apiServer)) await build(directory, progress);
      return built;
    },
  );
}

function fromEnvironment(): KubePrograms | undefined {
  const directory = process.env['KUBEBUILDER_ASSETS'];
  const apiServer = process.env['TEST_ASSET_KUBE_APISERVER'] ?? (directory && join(directory, 'kube-apiserver'));
  const etcd = process.env['TEST_ASSET_ETCD'] ?? (directory && join(directory, 'etcd'));
  if (!apiServer || !etcd) return undefined;
  for (const path of [apiServer, etcd]) {
    if (!existsSync(path)) throw new KubeMissing(`${path}, named by the environment, does not exist`);
  }
  return { apiServer, etcd };
}

async function goWorks(): Promise<boolean> {
  const version = await runProgram('go', ['env', 'GOVERSION'], { env: goEnvironment() }).catch(() => undefined);
  const [, major = '0', minor = '0'] = version?.stdout.match(/^go(\d+)\.(\d+)/) ?? [];
  return Number(major) > 1 || (Number(major) === 1 && Number(minor) >= 25);
}

async function build(directory: string, progress: (line: string) => void): Promise<void> {
  await mkdir(cacheDir('kube'), { recursive: true });
  const work = await mkdtemp(cacheDir('kube', '.work-'));
  const version = moduleVersion();
  const [major, minor] = version.split('.');
  // Without these the server calls itself v0.0.0, and clients that check versions refuse it.
  const flags = ['-s -w', ...Object.entries({ gitVersion: `v${version}`, gitMajor: major, gitMinor: minor })].map(
    (part) => (typeof part === 'string' ? part : `-X k8s.io/component-base/version.${part[0]}=${part[1]}`),
  );
  try {
    progress(`building kube-apiserver ${version} and etcd (5 to 15 minutes, once)`);
    await goBuild(['-ldflags', flags.join(' '), '-o', `${work}/`, './cmd/etcd', './cmd/kube-apiserver'], progress);
    await rm(directory, { recursive: true, force: true });
    await rename(work, directory);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function goBuild(args: string[], progress: (line: string) => void): Promise<void> {
  const startedAt = Date.now();
  const options = ['build', '-v', '-mod=readonly', '-trimpath', '-buildvcs=false'];
  const child = spawn('go', [...options, ...args], {
    cwd: moduleDir,
    env: goEnvironment(),
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  let packages = 0;
  let last = Date.now();
  const tail: string[] = [];
  // -v names each package when its compilation starts, downloads come before; about 1,900 packages in all.
  createInterface({ input: child.stderr }).on('line', (line) => {
    packages += 1;
    if (tail.push(line) > 20) tail.shift();
    if (Date.now() - last < 20_000) return;
    last = Date.now();
    progress(`  … ${Math.round((last - startedAt) / 1000)} s, ${packages} steps, now ${line}`);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`go build failed with exit code ${code}:\n${tail.join('\n')}`);
  progress(`built in ${Math.round((Date.now() - startedAt) / 1000)} s`);
}

/** The installed Go or none: a download of another toolchain would be a surprise. */
function goEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, CGO_ENABLED: '0', GOTOOLCHAIN: 'local', GOWORK: 'off' };
}

function moduleVersion(): string {
  const text = readFileSync(join(moduleDir, 'go.mod'), 'utf8');
  return text.match(/k8s\.io\/kubernetes v(\S+)/)?.[1] ?? 'unknown';
}

function recipeDigest(): string {
  const hash = createHash('sha256');
  for (const file of ['go.sum', 'cmd/etcd/main.go', 'cmd/kube-apiserver/main.go']) {
    hash.update(readFileSync(join(moduleDir, file)));
  }
  return hash.update(`${process.platform}-${process.arch}`).digest('hex').slice(0, 12);
}

if (import.meta.main) {
  const programs = await kubePrograms();
  console.log(`${programs.apiServer}\n${programs.etcd}`);
}
