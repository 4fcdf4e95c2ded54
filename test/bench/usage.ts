/** CPU time and memory of processes, from /proc (Linux). */
import { readdirSync, readFileSync } from 'node:fs';

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // the process, or the thread, has ended
  }
}

function numbersIn(directory: string): number[] {
  try {
    return readdirSync(directory).map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

/** Fields of /proc/PID/stat from the state on; the name before it may hold anything, so they are counted from its end. */
function stat(pid: number): string[] {
  const text = read(`/proc/${pid}/stat`) ?? '';
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** A process and all its descendants. */
export function tree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const pid of numbersIn('/proc')) {
    const parent = Number(stat(pid)[1]);
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

const hasSchedstat = read('/proc/self/schedstat') !== undefined;
/** Of /proc/PID/stat: 10 ms on every Linux that matters here. */
const tickMicros = 10_000;

/**
 * User and system time of processes so far, in microseconds. The scheduler's account of each thread is exact to the
 * nanosecond (a thread that has ended is no longer in it: none of these servers ends threads under load); a kernel
 * without it has ticks.
 */
export function cpuMicros(pids: readonly number[]): number {
  let micros = 0;
  for (const pid of pids) {
    if (!hasSchedstat) micros += (Number(stat(pid)[11] ?? 0) + Number(stat(pid)[12] ?? 0)) * tickMicros;
    else
      for (const thread of numbersIn(`/proc/${pid}/task`))
        micros += Number(read(`/proc/${pid}/task/${thread}/schedstat`)?.split(' ')[0] ?? 0) / 1000;
  }
  return micros;
}

export interface Memory {
  readonly rssBytes: number;
  /** Pages shared with other processes count in part. */
  readonly pssBytes: number;
}

export function memory(pids: readonly number[]): Memory {
  let rssBytes = 0;
  let pssBytes = 0;
  for (const pid of pids) {
    const text = read(`/proc/${pid}/smaps_rollup`) ?? '';
    rssBytes += Number(/^Rss:\s*(\d+)/m.exec(text)?.[1] ?? 0) * 1024;
    pssBytes += Number(/^Pss:\s*(\d+)/m.exec(text)?.[1] ?? 0) * 1024;
  }
  return { rssBytes, pssBytes };
}

/** CPU time that anything on this machine has used so far, in microseconds. */
function machineMicros(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0, steal = 0] = (read('/proc/stat') ?? '')
    .slice(4, 200)
    .trim()
    .split(/\s+/)
    .map(Number);
  return (user + nice + system + irq + softIrq + steal) * tickMicros;
}

/** The same of this process and all it has started, those that have ended included. */
function ownMicros(): number {
  const ended = stat(process.pid);
  return cpuMicros(tree(process.pid)) + (Number(ended[13] ?? 0) + Number(ended[14] ?? 0)) * tickMicros;
}

/** Begins to watch what else runs here; the function returned says how many cores others have used since, on average. */
export function watchOthers(): () => number {
  const from = performance.now();
  const others = machineMicros() - ownMicros();
  return () => Math.max(0, (machineMicros() - ownMicros() - others) / 1000 / (performance.now() - from));
}
