/** How options are declared: a parser for the value, and what the table in docs/configuration.md says about it. */
import { z } from 'zod';
import type { Parser } from '../values/parsed.ts';

export interface OptionInfo {
  /** One sentence. */
  readonly description: string;
  /** As the file would write it, or in words; absent: the option is required or has no default. */
  readonly default?: string;
  /** What kind of value, with its unit: "duration", "path", "list of names". */
  readonly unit: string;
  /** A right value as the file would write it; messages show it. */
  readonly example: string;
}

/** One value; `null` (a key with nothing behind it) is refused with the example. */
export function option<T>(parse: Parser<T>, info: OptionInfo, inList = false) {
  return z
    .unknown()
    .transform((value, context): T => {
      const parsed = value === null || value === undefined ? { problem: absent(value, info, inList) } : parse(value);
      if ('value' in parsed) return parsed.value;
      context.issues.push({ code: 'custom', message: parsed.problem, input: value });
      return z.NEVER;
    })
    .meta({ ...info });
}

function absent(value: null | undefined, { example }: OptionInfo, inList: boolean): string {
  if (value === undefined) return `This is required; write ${example}.`;
  const what = inList ? 'This entry is empty' : 'There is nothing behind the colon';
  return `${what}; write ${example}, or leave the line out.`;
}

/** A list of such values. */
export function listOf<T>(parse: Parser<T>, { example, ...info }: OptionInfo, limits: { min: number; max: number }) {
  return z
    .array(option(parse, { ...info, example: firstOf(example) }, true))
    .min(limits.min)
    .max(limits.max)
    .meta({ ...info, example });
}

function firstOf(list: string): string {
  return list.replace(/^\[|\]$/g, '').split(',')[0] ?? list;
}

/** A right value as the file would write it, also of a mapping that is no option by itself. */
export function exampleOf(schema: z.core.$ZodType): string | undefined {
  const { example } = (z.globalRegistry.get(schema) ?? {}) as Partial<OptionInfo>;
  const inner = innerOf(schema);
  return example ?? (inner === undefined ? undefined : exampleOf(inner));
}

/** What an option's declaration says, through wrappers such as `optional`. */
export function infoOf(schema: z.core.$ZodType): OptionInfo | undefined {
  const info = z.globalRegistry.get(schema) as Partial<OptionInfo> | undefined;
  if (info?.description !== undefined) return info as OptionInfo;
  const inner = innerOf(schema);
  return inner === undefined ? undefined : infoOf(inner);
}

function innerOf(schema: z.core.$ZodType): z.core.$ZodType | undefined {
  return (schema as { def?: { innerType?: z.core.$ZodType } }).def?.innerType;
}
