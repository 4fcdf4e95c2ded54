import { join } from 'node:path';

/** Where control writes the root of a private CA, for clients and for terminators that verify backends. */
export function rootFile(dataDir: string, issuer: string): string {
  return join(dataDir, 'ca', `${issuer}.pem`);
}
