/** Where a secret comes from. What it is never shows up in a message. */
import { type Parser } from './parsed.ts';
import { path } from './scalars.ts';

export type SecretSource =
  | { readonly kind: 'literal'; readonly value: string }
  | { readonly kind: 'environment'; readonly variable: string }
  | { readonly kind: 'file'; readonly path: string };

const forms = 'write ${ENV_NAME} or { file: path }';

export const secret: Parser<SecretSource> = (value) => {
  if (typeof value === 'string') {
    const variable = /^\$\{([A-Za-z_][A-Za-z0-9_]{0,127})\}$/.exec(value)?.[1];
    if (variable !== undefined) return { value: { kind: 'environment', variable } };
    if (value.includes('${')) return { problem: `A secret from the environment is the variable alone; ${forms}.` };
    if (value.trim() === '') return { problem: `The secret is empty; ${forms}.` };
    return { value: { kind: 'literal', value } };
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const entries = Object.entries(value as Record<string, unknown>);
    const file = entries.length === 1 && entries[0]?.[0] === 'file' ? path(entries[0][1]) : undefined;
    if (file === undefined) return { problem: `A secret as a mapping has the one key "file"; ${forms}.` };
    return 'problem' in file ? file : { value: { kind: 'file', path: file.value } };
  }
  return { problem: `This is not a secret (a number needs quotes); ${forms}.` };
};
