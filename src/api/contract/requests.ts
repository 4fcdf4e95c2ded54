/** Bodies of requests, and the answers that belong to them alone. Unknown fields are refused. */
import { z } from 'zod';
import { tokenSchema } from './overview.ts';

const roles = ['admin', 'viewer'] as const;

export const loginSchema = z.strictObject({ token: z.string().min(1).max(200) }).meta({ id: 'Login' });

export const reloadSchema = z
  .strictObject({
    acceptRemoval: z
      .boolean()
      .default(false)
      .meta({ description: 'Accept a configuration that removes more than half of the certificates.' }),
    acceptReissue: z
      .boolean()
      .default(false)
      .meta({ description: 'Let a mass re-issue go that is held because specifications changed.' }),
  })
  .meta({ id: 'Reload' });

export const backupSchema = z
  .strictObject({
    file: z.string().min(1).max(4096).meta({ description: 'Absolute path on the machine of the control process.' }),
  })
  .meta({ id: 'Backup' });

export const createTokenSchema = z
  .strictObject({
    label: z.string().trim().min(1).max(100),
    role: z.enum(roles),
    ttlMs: z
      .number()
      .int()
      .min(60_000)
      .max(315_360_000_000)
      .optional()
      .meta({ description: 'Milliseconds until it expires; left out: never.' }),
  })
  .meta({ id: 'CreateToken' });

/** The only answer that ever carries a token. */
export const createdTokenSchema = tokenSchema
  .extend({ token: z.string().meta({ description: 'Shown once; only its hash is kept.' }) })
  .meta({ id: 'CreatedToken' });

export const tokenListSchema = z.object({ items: z.array(tokenSchema) }).meta({ id: 'TokenList' });

export type CreatedToken = z.infer<typeof createdTokenSchema>;
export type TokenList = z.infer<typeof tokenListSchema>;
