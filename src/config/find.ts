/** Which configuration file is meant. */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { CertplaneError } from '../core/errors.ts';

export const systemFile = '/etc/certplane/certplane.yaml';

export interface FindOptions {
  /** `--config`. */
  readonly explicit?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
}

const example = `terminator:
  routes:
    - hosts: [shop.example.com]
      backend: http://127.0.0.1:3000
`;

/**
 * The absolute path: `--config`, `$CERTPLANE_CONFIG`, `./certplane.yaml`, `/etc/certplane/certplane.yaml`, in this order.
 * Throws `config.not-found`; a file that is named is never replaced by another one.
 */
export async function findConfigFile({ explicit, env, cwd }: FindOptions): Promise<string> {
  if (explicit !== undefined) return await named(resolve(cwd, explicit), 'as --config says');
  const variable = env['CERTPLANE_CONFIG'];
  if (variable !== undefined && variable !== '') return await named(resolve(cwd, variable), 'as CERTPLANE_CONFIG says');
  const places = [resolve(cwd, 'certplane.yaml'), systemFile];
  for (const place of places) if (await exists(place)) return place;
  throw new CertplaneError(
    'config.not-found',
    `There is no configuration file. Looked for: ${places.join(', ')} (--config and CERTPLANE_CONFIG are not set). ` +
      `These four lines as certplane.yaml are an HTTPS site with automatic certificates:\n\n${example}`,
  );
}

async function named(file: string, why: string): Promise<string> {
  if (await exists(file)) return file;
  throw new CertplaneError('config.not-found', `There is no file ${file}, ${why}; write the path of one that exists.`);
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    return true; // it is there and cannot be looked at: reading it says why
  }
}
