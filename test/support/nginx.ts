import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { once } from 'node:events';
import type { RunningProcess } from './process.ts';
import { tempDir, type TempDir } from './tempdir.ts';
import { findTool, type Tool } from './tools.ts';
import { until } from './until.ts';

export interface NginxOptions {
  /** What stands inside `http { }`: servers, upstreams. Relative paths are inside the prefix. */
  http: string;
  /** A port that accepts connections once it is ready. */
  port: number;
  /** Files to write into the prefix first, by relative path. */
  files?: Record<string, string>;
  workers?: number;
  /** What stands beside `http { }`. */
  main?: string;
  /** Connections of one worker, both sides counted; 1024 by default. */
  workerConnections?: number;
  /** The cores it may run on, as `taskset -c` takes them. */
  cpus?: string | undefined;
  /** How long it may take to open its port; 15 s by default. */
  readyTimeoutMs?: number;
}

export interface Nginx extends AsyncDisposable {
  readonly prefix: TempDir;
  readonly process: RunningProcess;
  /** The program and its arguments that reload it: what a `reloadCommand` holds. */
  readonly reloadCommand: string[];
  reload(): Promise<void>;
}

export async function startNginx(options: NginxOptions): Promise<Nginx> {
  await using stack = new AsyncDisposableStack();
  const program = await findTool('nginx');
  const prefix = stack.use(await tempDir('nginx-'));
  await mkdir(prefix.join('tmp'));
  for (const [name, text] of Object.entries(options.files ?? {}))
    await writeFile(prefix.join(name), text, { mode: 0o600 });
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path tmp/${name};`)
    .join(' ');
  await writeFile(
    prefix.join('nginx.conf'),
    `daemon off; worker_processes ${options.workers ?? 1}; pid nginx.pid; error_log stderr info;
${options.main ?? ''} ${options.workerConnections === undefined ? '' : `worker_rlimit_nofile ${options.workerConnections + 256};`}
events { worker_connections ${options.workerConnections ?? 1024}; }
http { access_log off; ${temporary}
${options.http}
}
`,
  );
  const args = ['-p', prefix.path, '-e', 'stderr', '-c', prefix.join('nginx.conf')];
  // A group, since workers outlive a master that is killed.
  const server = stack.use(program.spawn(args, { stopSignal: 'SIGTERM', cpus: options.cpus, group: true }));
  await until(async () => server.exit !== undefined || (await accepts(options.port)), {
    what: 'nginx accepting',
    timeoutMs: options.readyTimeoutMs ?? 15_000,
  });
  if (server.exit) throw new Error(`nginx ended:\n${server.output}`);
  const parts = stack.move();
  return {
    prefix,
    process: server,
    reloadCommand: commandLine(program, [...args, '-s', 'reload']),
    reload: async () => {
      const result = await program.run([...args, '-s', 'reload']);
      if (result.code !== 0) throw new Error(`nginx -s reload: ${result.stderr}`);
    },
    [Symbol.asyncDispose]: async () => await parts.disposeAsync(),
  };
}

/** For programs that start it themselves and know nothing of the libraries beside it. */
function commandLine(program: Tool, args: string[]): string[] {
  const libraries = program.env['LD_LIBRARY_PATH'];
  return [...(libraries ? ['env', `LD_LIBRARY_PATH=${libraries}`] : []), program.path, ...args];
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } finally {
    socket.destroy();
  }
}
