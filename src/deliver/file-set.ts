/** What a set of files is: five names, one certificate. */
import { splitChain, type Bundle } from '../core/bundle.ts';

/** certbot's names, and `combined.pem` (chain, then key) for whoever reads one file. */
export const fileNames = ['fullchain.pem', 'privkey.pem', 'chain.pem', 'cert.pem', 'combined.pem'] as const;
export type FileName = (typeof fileNames)[number];

const withKey: ReadonlySet<FileName> = new Set<FileName>(['privkey.pem', 'combined.pem']);

export function fileContents({ chainPem, keyPem }: Bundle): Readonly<Record<FileName, string>> {
  const [leaf = '', ...rest] = splitChain(chainPem);
  const chain = rest.join('');
  return {
    'fullchain.pem': leaf + chain,
    'privkey.pem': keyPem,
    'chain.pem': chain,
    'cert.pem': leaf,
    'combined.pem': leaf + chain + keyPem,
  };
}

/** 0600 for what holds a key; 0640 when a group was named for it. */
export function fileMode(name: FileName, group: string | undefined): number {
  if (!withKey.has(name)) return 0o644;
  return group === undefined ? 0o600 : 0o640;
}
