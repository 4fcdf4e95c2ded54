/** CPU time of processes, from /proc (Linux). */
import { readdirSync, readFileSync } from 'node:fs';

/** Kernel ticks per second; 100 on every Linux that matters here. */
const ticksPerSecond = 100;

/** The fields of /proc/PID/stat from the state on; undefined when the process is gone. */
function stat(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** User and system time of a process so far, in microseconds; 0 when it is gone. */
function cpuMicros(pid: number): number {
  const fields = stat(pid);
  return fields === undefined ? 0 : ((Number(fields[11]) + Number(fields[12])) / ticksPerSecond) * 1e6;
}

/** A process and its children. */
export function withChildren(parent: number): number[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return [parent, ...all.filter((pid) => Number(stat(pid)?.[1]) === parent)];
}

export function cpuMicrosOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuMicros(pid), 0);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
