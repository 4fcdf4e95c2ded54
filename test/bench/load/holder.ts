/** Idle connections, held by a process of their own. */
import { join } from 'node:path';
import { spawnProcess } from '../../support/process.ts';

export interface HolderOptions {
  readonly port: number;
  readonly caPem: string;
  readonly name: string;
  readonly count: number;
}

export interface Holder extends AsyncDisposable {
  /** Ends them all; throws when one had been closed before. */
  release(): Promise<void>;
}

/** Returns when all connections stand and each has had one answer. */
export async function holdConnections(options: HolderOptions): Promise<Holder> {
  const file = join(import.meta.dirname, 'holder-process.ts');
  const child = spawnProcess(process.execPath, [file, JSON.stringify(options)], { name: 'holder' });
  try {
    await child.waitForLine('OPEN', { timeoutMs: 30_000 + options.count * 20 });
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
  return {
    release: async () => {
      child.kill('SIGTERM');
      await child.exited;
      const left = Number(/^HELD (\d+)$/m.exec(child.stdout)?.[1]);
      if (left !== options.count) throw new Error(`only ${left} of ${options.count} connections were kept`);
    },
    [Symbol.asyncDispose]: async () => await child[Symbol.asyncDispose](),
  };
}

/** How many files a process may have open is how many connections it can hold. */
export function mostConnections(): number {
  const report = process.report.getReport() as unknown as { userLimits?: { open_files?: { hard: string } } };
  const hard = Number(report.userLimits?.open_files?.hard);
  return Number.isNaN(hard) ? Infinity : hard - 500;
}
