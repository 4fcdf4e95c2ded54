/** Which core is whose: the server has the first one alone, load and backend have the others. */
import { readFileSync } from 'node:fs';
import { runProgram } from '../support/process.ts';

export interface Cores {
  /** As `taskset -c` takes them. */
  readonly server: string;
  readonly load: string;
  readonly all: string;
  readonly count: number;
}

/** The cores this process may run on, shared out. On a single core everything shares it, and says so by being equal. */
export function shareCores(): Cores {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  const all = list.split(',').flatMap((range) => {
    const [from = 0, to = from] = range.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
  const [server = 0, ...rest] = all;
  return {
    server: String(server),
    load: rest.length === 0 ? String(server) : rest.join(','),
    all: all.join(','),
    count: all.length,
  };
}

/** Moves this process with all its threads; what it starts from now on inherits that. */
export async function moveTo(cpus: string): Promise<void> {
  const { code, stderr } = await runProgram('taskset', ['-apc', cpus, String(process.pid)]);
  if (code !== 0) throw new Error(`taskset (Debian's package "util-linux") failed: ${stderr.trim()}`);
}
