/** What was sent, by a route's schema; what is wrong in plain words: the parameter's name and what is allowed. */
import { z } from 'zod';
import { CertplaneError } from '../core/errors.ts';

type Part = 'query' | 'body';

const mostProblems = 5;

/** Throws `api.invalid-request` with each problem. Values are not repeated: one may be a credential. */
export function validate(schema: z.ZodType | undefined, value: unknown, part: Part): unknown {
  if (schema === undefined) {
    if (value === undefined || Object.keys(value as object).length === 0) return undefined;
    throw new CertplaneError('api.invalid-request', `This address takes no ${part}.`);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const known: z.core.$ZodShape = schema instanceof z.ZodObject ? schema.shape : {};
  const told = new Set(result.error.issues.map((issue) => sentence(issue, { value, part, known })));
  throw new CertplaneError('api.invalid-request', [...told].slice(0, mostProblems).join(' '));
}

interface Sent {
  readonly value: unknown;
  readonly part: Part;
  readonly known: z.core.$ZodShape;
}

function sentence(issue: z.core.$ZodIssue, { value, part, known }: Sent): string {
  if (issue.code === 'unrecognized_keys') {
    const unknown = issue.keys.map((key) => JSON.stringify(key.slice(0, 100))).join(', ');
    return `The ${part} takes no ${unknown}; it takes ${listed(Object.keys(known), 'conjunction')}.`;
  }
  const [name] = issue.path;
  if (name === undefined) return `The ${part} is a JSON object.`;
  const schema = known[String(name)];
  const allowed = schema === undefined ? 'something else' : allowedBy(z.toJSONSchema(schema));
  const isThere = (value as Record<PropertyKey, unknown>)[name] !== undefined;
  return isThere ? `${String(name)} has to be ${allowed}.` : `${String(name)} is missing: it has to be ${allowed}.`;
}

function allowedBy({ type, enum: options = [], ...schema }: z.core.JSONSchema.JSONSchema): string {
  switch (type) {
    case 'boolean':
      return 'true or false';
    case 'integer':
      return `a whole number ${range(schema.minimum ?? Number(schema.exclusiveMinimum ?? 0) + 1, schema.maximum)}`;
    case 'string':
      if (options.length > 0) return listed(options.map(quoted), 'disjunction');
      return `text of ${(schema.minLength ?? 0) > 0 ? `${schema.minLength} to` : 'at most'} ${schema.maxLength} characters`;
    default:
      return 'as /api/v1/openapi.json describes it';
  }
}

function range(least: number, most: number | undefined): string {
  return most === undefined || most === Number.MAX_SAFE_INTEGER ? `from ${least} on` : `from ${least} to ${most}`;
}

function listed(words: readonly string[], type: 'conjunction' | 'disjunction'): string {
  return new Intl.ListFormat('en-GB', { type }).format(words);
}

function quoted(word: unknown): string {
  return JSON.stringify(word);
}
