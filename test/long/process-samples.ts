/** What the processes of a running program hold, from /proc: memory and open files, by role. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Certplane } from '../support/certplane.ts';
import { processesOf, type Role } from '../load/shop.ts';

export interface Sample {
  readonly role: Role;
  readonly pid: number;
  readonly rssBytes: number;
  readonly openFiles: number;
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

/** Log lines and crash reports that say that something happened which nobody had planned for. */
export function troubles(output: string): string[] {
  return output
    .split('\n')
    .filter((line) => /"level":"(?:error|fatal)"|unhandled|internal\.unexpected|TypeError|node:internal/i.test(line));
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MB`;
}
