/** What several answers of the API share. */
import { z } from 'zod';

/** One check of a reason chain. */
export const checkResultSchema = z.object({
  link: z.string(),
  title: z.string(),
  verdict: z.enum(['ok', 'waiting', 'problem', 'skipped']),
  code: z.string(),
  message: z.string(),
  advice: z.string().nullable(),
});

export const countsOf = <const T extends readonly string[]>(states: T) =>
  z.object(Object.fromEntries(states.map((state) => [state, z.number().int()])) as Record<T[number], z.ZodInt>);
