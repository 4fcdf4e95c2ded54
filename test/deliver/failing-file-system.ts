import { realFileSystem, type FileSystem } from '../../src/deliver/file-system.ts';

/** What a crash looks like from inside: the operation never came back. */
class Crash extends Error {
  override readonly name = 'Crash';
}

const changing = new Set<keyof FileSystem>([
  'makeDirectory',
  'create',
  'makeLink',
  'rename',
  'remove',
  'syncDirectory',
]);

export interface FailingFileSystem extends FileSystem {
  /** Operations that change something, so far. */
  readonly operations: readonly string[];
}

/**
 * The real file system until its `nth` changing operation (1-based), which throws before it has done anything, or after
 * it has; so does everything that follows, as nothing follows a crash.
 */
export function failingAt(nth: number, moment: 'before' | 'after', error: Error = new Crash()): FailingFileSystem {
  const operations: string[] = [];
  const fail = (name: keyof FileSystem, operation: (...args: unknown[]) => Promise<unknown>) => {
    if (!changing.has(name)) return operation;
    return async (...args: unknown[]): Promise<unknown> => {
      operations.push(`${name} ${String(args[0])}`);
      if (operations.length > nth || (operations.length === nth && moment === 'before')) throw error;
      const result = await operation(...args);
      if (operations.length === nth) throw error;
      return result;
    };
  };
  const entries = Object.entries(realFileSystem).map(([name, operation]) => [
    name,
    fail(name as keyof FileSystem, operation as (...args: unknown[]) => Promise<unknown>),
  ]);
  return { ...(Object.fromEntries(entries) as FileSystem), operations };
}
