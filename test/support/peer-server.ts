import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import type { RunningProcess } from './process.ts';
import { tempDir, type TempDir } from './tempdir.ts';
import type { ToolName } from './tool-list.ts';
import { findTool } from './tools.ts';
import { until } from './until.ts';

export interface PeerOptions {
  /** The whole configuration; relative paths in it are inside the server's directory. */
  config: string;
  /** A port of 127.0.0.1 that accepts connections once it is ready. */
  port: number;
  /** Files to write into the directory first, by name. */
  files?: Record<string, string>;
  /** The cores it may run on, as `taskset -c` takes them. */
  cpus?: string | undefined;
  readyTimeoutMs?: number;
}

export interface PeerServer extends AsyncDisposable {
  readonly directory: TempDir;
  readonly process: RunningProcess;
}

/** A server that we are compared with: in the foreground, in a directory of its own, with the one configuration given. */
export async function startPeer(
  tool: ToolName,
  options: PeerOptions,
  how: { configFile: string; args: (configFile: string) => string[]; env?: (directory: string) => NodeJS.ProcessEnv },
): Promise<PeerServer> {
  await using stack = new AsyncDisposableStack();
  const program = await findTool(tool);
  const directory = stack.use(await tempDir(`${tool}-`));
  for (const [name, text] of Object.entries({ ...options.files, [how.configFile]: options.config }))
    await writeFile(directory.join(name), text, { mode: 0o600 });
  const server = stack.use(
    program.spawn(how.args(directory.join(how.configFile)), {
      cwd: directory.path,
      cpus: options.cpus,
      group: true, // their workers outlive a parent that is killed
      env: how.env?.(directory.path) ?? {},
    }),
  );
  await until(async () => server.exit !== undefined || (await accepts(options.port)), {
    what: `${tool} accepting`,
    timeoutMs: options.readyTimeoutMs ?? 15_000,
  });
  if (server.exit) throw new Error(`${tool} ended:\n${server.output}`);
  const parts = stack.move();
  return { directory, process: server, [Symbol.asyncDispose]: async () => await parts.disposeAsync() };
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
