/** What the schema found, as sentences that say what to write instead. */
import { z } from 'zod';
import type { Path } from './position.ts';
import type { ProblemList } from './problems.ts';
import { exampleOf } from './schema/option.ts';
import { childSchema, knownKeys } from './schema/walk.ts';
import { nearest } from './values/nearest.ts';
import { notYet } from './values/not-yet.ts';
import { describeValue } from './values/parsed.ts';

/** The value by the schema, or undefined with every problem reported at its path. */
export function parsePart<T extends z.ZodType>(
  schema: T,
  value: unknown,
  path: Path,
  problems: ProblemList,
): z.output<T> | undefined {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  for (const issue of result.error.issues) reportIssue(issue, { schema, value, path, problems });
  return undefined;
}

export interface Fields<S extends z.ZodObject> {
  /** What could be read; a key is absent when its value was wrong, or is optional and not there. */
  readonly fields: Partial<z.output<S>>;
  readonly complete: boolean;
}

/**
 * As `parsePart`, key by key, so that one wrong value does not hide what the others refer to. The keys in `except`
 * are known, and the caller's to read.
 */
export function parseFields<S extends z.ZodObject>(
  schema: S,
  value: unknown,
  { path, problems, except = [] }: { path: Path; problems: ProblemList; except?: readonly string[] },
): Fields<S> | undefined {
  if (!isMapping(value)) {
    parsePart(schema, value, path, problems);
    return undefined;
  }
  const before = problems.errors;
  const known = knownKeys(schema);
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) problems.error([...path, key], unknownKey(key, known), 'key');
  }
  const fields: Record<string, unknown> = {};
  for (const key of known) {
    if (except.includes(key)) continue;
    const child = schema.shape[key] as z.ZodType;
    const parsed = parsePart(child, value[key], [...path, key], problems);
    if (parsed !== undefined) fields[key] = parsed;
  }
  return { fields: fields as Partial<z.output<S>>, complete: problems.errors === before };
}

/** A list, entry by entry; what is no list, or too long, is one problem. */
export function parseEach<S extends z.ZodObject>(
  list: z.ZodType,
  value: unknown,
  { entry, path, problems }: { entry: S; path: Path; problems: ProblemList },
): (Fields<S> | undefined)[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > 100_000) {
    parsePart(list, value, path, problems);
    return [];
  }
  return value.map((one: unknown, i) => parseFields(entry, one, { path: [...path, i], problems }));
}

/** Not a list, not null. */
export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

interface Place {
  readonly schema: z.ZodType;
  readonly value: unknown;
  readonly path: Path;
  readonly problems: ProblemList;
}

function reportIssue(issue: z.core.$ZodIssue, { schema, value, path, problems }: Place): void {
  const inner = issue.path.filter((part) => typeof part !== 'symbol');
  const full = [...path, ...inner];
  const at = follow(schema, inner);
  const found = inner.reduce<unknown>((now, part) => (now as Record<string, unknown> | undefined)?.[part], value);
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(at);
    for (const key of issue.keys) problems.error([...full, key], unknownKey(key, known), 'key');
    return;
  }
  problems.error(full, sentence(issue, found, at));
}

function sentence(issue: z.core.$ZodIssue, found: unknown, schema: z.core.$ZodType | undefined): string {
  if (issue.code === 'custom') return issue.message;
  const example = schema === undefined ? undefined : (exampleOf(schema) ?? keysOf(schema));
  const write = example === undefined ? '' : `; write ${example}`;
  if (found === undefined) return `This is required${write}.`;
  if (issue.code === 'too_small') return `The list is empty${write}.`;
  if (issue.code === 'too_big') return `The list is longer than ${String(issue.maximum)} entries; write fewer.`;
  if (issue.code === 'invalid_type') {
    if (found === null) return `There is nothing behind the colon${write}, or leave the line out.`;
    if (issue.expected === 'array') return `A list belongs here, not ${describeValue(found)}${write}.`;
    if (switchesOff(found) && schema !== undefined && z.safeParse(schema, false).success)
      return `${describeValue(found)} is text here; write false to turn it off.`;
    return `A mapping of options belongs here, not ${describeValue(found)}${write}.`;
  }
  return `${describeValue(found)} does not belong here${write}.`;
}

/** What YAML 1.1 took for false. */
function switchesOff(value: unknown): boolean {
  return typeof value === 'string' && /^(?:off|no|n|false|none|disabled)$/i.test(value);
}

/** For a mapping without an example of its own: its keys. */
function keysOf(schema: z.core.$ZodType): string | undefined {
  const keys = knownKeys(schema);
  return keys.length === 0 ? undefined : `{ ${keys[0]}: … }`;
}

export function unknownKey(key: string, known: readonly string[]): string {
  const shown = JSON.stringify(key.length > 80 ? `${key.slice(0, 80)}…` : key);
  const later = notYet(key);
  if (later !== undefined) return `${shown} is not there yet: ${later}`;
  const close = nearest(key, known);
  if (close !== undefined) return `The option ${shown} is not known here; write ${close}.`;
  if (known.length === 0) return `The option ${shown} is not known; nothing is configured here, so leave it out.`;
  return `The option ${shown} is not known here; leave it out, or write one of ${known.join(', ')}.`;
}

function follow(schema: z.core.$ZodType, path: Path): z.core.$ZodType | undefined {
  let current: z.core.$ZodType | undefined = schema;
  for (const part of path) current = current === undefined ? undefined : childSchema(current, part);
  return current;
}
