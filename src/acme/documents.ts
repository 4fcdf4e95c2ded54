/** Orders and authorizations (RFC 8555 §7.1) as a CA sends them, checked before they are believed. */
import { z } from 'zod';
import { CertplaneError, type ProblemDocument } from '../core/errors.ts';
import { readProblem } from './problems.ts';

const url = z.string().max(2048).startsWith('https://');
const identifier = z.object({ type: z.string().max(50), value: z.string().max(300) });
const problem = z.unknown().transform((value): ProblemDocument | undefined => readProblem(value));
const time = z
  .string()
  .max(50)
  .transform((text) => Date.parse(text))
  .pipe(z.number())
  .optional()
  .catch(undefined);

const orderSchema = z.object({
  /** A state the RFC does not have (some servers say `deactivated`) is one in which nothing comes any more. */
  status: z
    .enum(['pending', 'ready', 'processing', 'valid', 'invalid'])
    .or(z.string().transform(() => 'invalid' as const)),
  identifiers: z.array(identifier).max(1000),
  authorizations: z.array(url).max(1000),
  finalize: url,
  certificate: url.optional(),
  /** Milliseconds since the epoch. */
  expires: time,
  error: problem.optional(),
});

const authorizationSchema = z.object({
  status: z.enum(['pending', 'valid', 'invalid', 'deactivated', 'expired', 'revoked']),
  identifier,
  wildcard: z.boolean().optional(),
  challenges: z
    .array(
      z.object({
        type: z.string().max(50),
        url: url.optional(),
        status: z.string().max(50).optional(),
        /** Goes into a URL path and a file name: base64url only, with at least 128 bits of it (RFC 8555 §8.1). */
        token: z.string().max(300).optional(),
        error: problem.optional(),
      }),
    )
    .max(50),
});

export type Order = z.infer<typeof orderSchema>;
export type Authorization = z.infer<typeof authorizationSchema>;

export const validToken = /^[A-Za-z0-9_-]{16,300}$/;

export const readOrder = (body: unknown): Order => read(orderSchema, body, 'an order');
export const readAuthorization = (body: unknown): Authorization => read(authorizationSchema, body, 'an authorization');

/** The URLs in an account's list of orders (RFC 8555 §7.1.2.1). */
export const readOrderList = (body: unknown): string[] =>
  read(z.object({ orders: z.array(url).max(10_000) }), body, 'a list of orders').orders;

/** Where an account says its orders are listed; not every CA does. */
export const readOrdersUrl = (body: unknown): string | undefined =>
  z.object({ orders: url.optional() }).safeParse(body).data?.orders;

function read<T extends z.ZodType>(schema: T, body: unknown, what: string): z.infer<T> {
  const { success, data, error } = schema.safeParse(body);
  if (success) return data;
  const field = error.issues[0]?.path.join('.') ?? '';
  const message = `The CA sent ${what} that the protocol does not allow (${field === '' ? 'not an object' : field}).`;
  throw new CertplaneError('issuer.response-invalid', message);
}
