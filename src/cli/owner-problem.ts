import type { FilesOutput } from '../core/certificate.ts';
import { CertplaneError } from '../core/errors.ts';

/** Looks users and groups of outputs up; each pair once. The sentence of `output.owner-unknown`, or undefined. */
export async function ownerProblems(): Promise<(output: FilesOutput) => Promise<string | undefined>> {
  const [{ resolveOwner }, { realFileSystem }] = await Promise.all([
    import('../deliver/owners.ts'),
    import('../deliver/file-system.ts'),
  ]);
  const known = new Map<string, Promise<string | undefined>>();
  return async ({ owner, group }) => {
    const key = JSON.stringify([owner, group]);
    const found = known.get(key) ?? resolveOwner({ owner, group }, realFileSystem).then(() => undefined, sentence);
    known.set(key, found);
    return await found;
  };
}

function sentence(error: unknown): string {
  if (error instanceof CertplaneError) return error.message;
  throw error;
}
