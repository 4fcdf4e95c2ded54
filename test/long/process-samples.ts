/** What the processes of a running program hold, from /proc: memory and open files, by role. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Certplane } from '../support/certplane.ts';
import { until } from '../support/until.ts';
import { processesOf, type Role } from '../load/shop.ts';

export interface Sample {
  readonly role: Role;
  readonly pid: number;
  readonly rssBytes: number;
  readonly openFiles: number;
}

/** With what `collect-garbage.ts`, preloaded, tells. */
export interface Still extends Sample {
  readonly inUseBytes: number;
  readonly handles: number;
}

export function sampleOf(certplane: Certplane): Sample[] {
  return (['control', 'terminator', 'worker'] as const).flatMap((role) =>
    processesOf(certplane, role).map(({ pid }) => sampleProcess(role, pid)),
  );
}

function sampleProcess(role: Role, pid: number): Sample {
  const kilobytes = readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmRSS:\s+(\d+) kB/m)?.[1];
  return { role, pid, rssBytes: Number(kilobytes) * 1024, openFiles: readdirSync(`/proc/${pid}/fd`).length };
}

/** After a garbage collection in every process. */
export async function memoryInUse(certplane: Certplane): Promise<Still[]> {
  const processes = sampleOf(certplane);
  const told = (pid: number): RegExpStringIterator<RegExpExecArray> =>
    certplane.process.stderr.matchAll(new RegExp(`^memory ${pid} (\\d+) (\\d+)$`, 'gm'));
  const before = new Map(processes.map(({ pid }) => [pid, [...told(pid)].length]));
  for (const { pid } of processes) process.kill(pid, 'SIGUSR2');
  return await Promise.all(
    processes.map(async (sample) => {
      const [, inUse, handles] = await until(() => [...told(sample.pid)][before.get(sample.pid) ?? 0], {
        what: `what process ${sample.pid} has in use`,
        timeoutMs: 30_000,
      });
      return Object.assign(sample, { inUseBytes: Number(inUse), handles: Number(handles) });
    }),
  );
}

/** Log lines and crash reports that say that something happened which nobody had planned for. */
export function troubles(output: string): string[] {
  return output
    .split('\n')
    .filter((line) => /"level":"(?:error|fatal)"|unhandled|internal\.unexpected|TypeError|node:internal/i.test(line));
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MB`;
}
