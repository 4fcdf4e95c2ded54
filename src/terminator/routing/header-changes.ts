import type { HeaderChanges } from '../../core/route.ts';
import { CertplaneError } from '../../core/errors.ts';

/** Frame or route the message, or belong to one connection: nothing a route may change. */
const fixed = new Set([
  'connection',
  'content-length',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Changes in the form in which they are made to every message of a route. */
export interface CompiledChanges {
  /** Lower-case names that are taken out, because they are removed or set. */
  readonly drop: ReadonlySet<string>;
  /** Name, value, … */
  readonly append: readonly string[];
}

/** Undefined when nothing is changed; throws `config.invalid` for what cannot stand in a header. */
export function compileChanges(changes: HeaderChanges | undefined): CompiledChanges | undefined {
  if (changes === undefined) return undefined;
  const { remove, set, add } = changes;
  const drop = [...remove, ...Object.keys(set)].map((name) => name.toLowerCase()).filter((name) => !fixed.has(name));
  const append = [...Object.entries(set), ...Object.entries(add)].flatMap(headerLine);
  return drop.length === 0 && append.length === 0 ? undefined : { drop: new Set(drop), append };
}

/** Name and value, checked; nothing for a header that is fixed. */
export function headerLine([name, value]: readonly [name: string, value: string]): string[] {
  const lower = name.toLowerCase();
  if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(lower))
    throw new CertplaneError('config.invalid', `${JSON.stringify(name)} is not a header name.`);
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value))
    throw new CertplaneError('config.invalid', `The value of the header ${lower} is not one line of text.`);
  return fixed.has(lower) ? [] : [lower, value];
}
