/** Looking into a schema: below wrappers, along a path, and at every option in it. */
import { z } from 'zod';
import { infoOf, type OptionInfo } from './option.ts';

/** Below `optional`, `default`, `prefault` and `preprocess`. */
function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return unwrap(schema.def.innerType);
  }
  if (schema instanceof z.ZodPipe && !(schema.def.out instanceof z.ZodTransform)) return unwrap(schema.def.out);
  return schema;
}

/** The schema of one key or index, or undefined where there is none. */
export function childSchema(schema: z.core.$ZodType, key: string | number): z.core.$ZodType | undefined {
  const bare = unwrap(schema);
  if (bare instanceof z.ZodObject) return (bare.shape as Readonly<Record<string, z.core.$ZodType>>)[key];
  if (bare instanceof z.ZodRecord) return bare.valueType;
  if (bare instanceof z.ZodArray) return bare.element;
  return undefined;
}

export function knownKeys(schema: z.core.$ZodType | undefined): string[] {
  const bare = schema === undefined ? undefined : unwrap(schema);
  return bare instanceof z.ZodObject ? Object.keys(bare.shape) : [];
}

export interface OptionRow extends OptionInfo {
  /** `certificates.NAME.outputs[].files.directory` */
  readonly path: string;
}

/** Every option in the order of the schema. */
export function optionRows(schema: z.core.$ZodType, path = ''): OptionRow[] {
  const info = infoOf(schema);
  const rows: OptionRow[] = info?.description === undefined ? [] : [{ path, ...info }];
  const bare = unwrap(schema);
  if (bare instanceof z.ZodObject) {
    for (const [key, child] of Object.entries(bare.shape)) {
      rows.push(...optionRows(child, path === '' ? key : `${path}.${key}`));
    }
  } else if (bare instanceof z.ZodRecord) rows.push(...optionRows(bare.valueType, `${path}.NAME`));
  else if (bare instanceof z.ZodArray && unwrap(bare.element) instanceof z.ZodObject) {
    rows.push(...optionRows(bare.element, `${path}[]`));
  }
  return rows;
}
