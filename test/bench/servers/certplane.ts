/** `certplane terminator` as it is installed, with the control process of the benchmarks behind its feed. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from '../../support/ports.ts';
import { monotonicMs } from '../../support/load-types.ts';
import { describeExit, spawnProcess, type RunningProcess } from '../../support/process.ts';
import { tempDir } from '../../support/tempdir.ts';
import { Control } from '../control.ts';
import { domain } from '../fixtures/certificates.ts';
import { tree } from '../usage.ts';
import { idleSeconds, type Server, type ServerOptions } from './server.ts';

/** Another checkout can be measured with this harness. */
const root = process.env['CERTPLANE_BENCH_ROOT'] ?? join(import.meta.dirname, '..', '..', '..');

export class CertplaneServer implements Server {
  readonly name = 'certplane';
  readonly port: number;
  readonly control: Control;
  readonly #stack: AsyncDisposableStack;
  readonly #directory: string;
  readonly #cpus: string;
  #running: RunningProcess;
  #spawnedAt = 0;

  constructor(parts: { port: number; control: Control; stack: AsyncDisposableStack; directory: string; cpus: string }) {
    this.port = parts.port;
    this.control = parts.control;
    this.#stack = parts.stack;
    this.#directory = parts.directory;
    this.#cpus = parts.cpus;
    this.#running = this.#start();
  }

  get spawnedAt(): number {
    return this.#spawnedAt;
  }

  pids(): readonly number[] {
    return tree(this.#running.pid);
  }

  workers(): readonly number[] {
    return this.pids().slice(1);
  }

  /** Resolves when every worker serves all that control has. */
  async ready(timeoutMs: number): Promise<void> {
    // Settings that it cannot read do not end it: it waits for better ones.
    const late = AbortSignal.timeout(timeoutMs);
    const { promise, reject } = Promise.withResolvers<never>();
    late.addEventListener('abort', () => {
      const { output } = this.#running;
      const reason = /error: (.*)/.exec(output)?.[1] ?? `nothing for ${timeoutMs} ms`;
      reject(new Error(`certplane terminator does not serve: ${reason}\n${output}`));
    });
    await this.orEnds(Promise.race([this.control.acknowledged(), promise]));
  }

  /** Rejects when the terminator ends before. */
  async orEnds<T>(coming: Promise<T>): Promise<T> {
    const running = this.#running;
    const ended = running.exited.then((exit) => {
      throw new Error(`certplane terminator ended (${describeExit(exit)}):\n${running.output}`);
    });
    return await Promise.race([coming, ended]);
  }

  /** Ends it and starts it again over its last-good copy; returns when the process is started. */
  async restart(): Promise<void> {
    await this.#running[Symbol.asyncDispose]();
    this.#running = this.#start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running[Symbol.asyncDispose]();
    await this.#stack.disposeAsync();
  }

  #start(): RunningProcess {
    this.#spawnedAt = monotonicMs();
    return spawnProcess(process.execPath, [binFile(), 'terminator', '--config', configFile(this.#directory)], {
      name: 'certplane terminator',
      cwd: this.#directory,
      group: true,
      stopTimeoutMs: 20_000,
      cpus: this.#cpus,
    });
  }
}

/** Returns when it serves all leaves. */
export async function certplane(options: ServerOptions): Promise<CertplaneServer> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await tempDir('bench-'));
  const [port, metrics] = (await freePorts(2)) as [number, number];
  await writeFile(configFile(directory.path), configOf({ ...options, port, metrics }));
  const control = stack.use(await Control.start(directory.join('data', 'run', 'feed.sock'), options.keyPem));
  control.hold(options.leaves);
  const parts = { port, control, directory: directory.path, cpus: options.cpus, stack: stack.move() };
  const server = new CertplaneServer(parts);
  try {
    await server.ready(30_000 + 20 * options.leaves.length);
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

function configFile(directory: string): string {
  return join(directory, 'certplane.yaml');
}

function binFile(): string {
  const source = join(root, 'src', 'bin.ts');
  return existsSync(source) ? source : join(root, 'dist', 'bin.js');
}

function configOf({
  port,
  metrics,
  backend,
  workers = 1,
  speaks = 'http',
}: ServerOptions & { port: number; metrics: number }): string {
  const action =
    speaks === 'tcp' ? `tcp: { backend: "tcp://127.0.0.1:${backend}" }` : `backend: http://127.0.0.1:${backend}`;
  return `dataDir: ./data
metrics: { terminator: '127.0.0.1:${metrics}' }
terminator:
  workers: ${workers}
  https: { listen: '127.0.0.1:${port}' }
  http: { listen: false }
  timeouts: { idle: ${idleSeconds}s }
  routes:
    - hosts: ['*.${domain}', localhost]
      automaticCertificate: false
      ${action}
`;
}
