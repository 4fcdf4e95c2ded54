/** What systemd does for a socket unit: holds listening sockets and starts a program with them. */
import { spawn, type ChildProcess } from 'node:child_process';
import * as net from 'node:net';
import { until } from '../../support/until.ts';

interface Handle {
  readonly fd: number;
  close(): void;
  getsockname(out: { port?: number }): number;
}

export interface Activator extends AsyncDisposable {
  readonly ports: readonly number[];
  /** The program with its arguments, with the sockets from descriptor 3 on. */
  start(args: readonly string[]): Activated;
}

export interface Activated extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly output: string;
  readonly pid: number;
  ended(): Promise<number | null>;
}

export function startActivator(names: readonly string[]): Activator {
  const internals = net as unknown as {
    _createServerHandle(host: string, port: number, family: 4, fd: -1, flags: 0): Handle;
  };
  const handles = names.map(() => internals._createServerHandle('127.0.0.1', 0, 4, -1, 0));
  const ports = handles.map((handle) => {
    const name: { port?: number } = {};
    handle.getsockname(name);
    return name.port ?? 0;
  });
  return {
    ports,
    start: (args) => activate(args, names, handles),
    async [Symbol.asyncDispose]() {
      for (const handle of handles) handle.close();
      await Promise.resolve();
    },
  };
}

function activate(args: readonly string[], names: readonly string[], handles: readonly Handle[]): Activated {
  // The process id is known only to the process itself; the shell keeps it through exec.
  const child = spawn('/bin/sh', ['-c', 'LISTEN_PID=$$ exec "$0" "$@"', process.execPath, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', ...handles.map(({ fd }) => fd)],
    env: { ...process.env, LISTEN_FDS: String(handles.length), LISTEN_FDNAMES: names.join(':') },
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = async (): Promise<number | null> => {
    await until(() => child.exitCode !== null || child.signalCode !== null, {
      what: 'the end of the program',
      timeoutMs: 30_000,
    });
    return child.exitCode;
  };
  return {
    child,
    get output() {
      return output;
    },
    get pid() {
      return child.pid ?? 0;
    },
    ended,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      try {
        await ended();
      } finally {
        try {
          process.kill(-(child.pid ?? 0), 'SIGKILL');
        } catch {
          // nothing of its group is left
        }
      }
    },
  };
}
