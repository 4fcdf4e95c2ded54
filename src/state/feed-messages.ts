/** What a terminator posts, checked before it is believed. */
import { z } from 'zod';
import { errorCodes, type ErrorCode } from '../core/errors.ts';
import { parseRevision, reportBounds, type Acknowledgement, type ServedReport } from '../core/feed.ts';

const id = z.string().regex(/^[A-Za-z0-9._:@-]{1,128}$/);
const text = z.string().max(reportBounds.text);
const key = z.string().min(1).max(reportBounds.id);
const time = z.number().int();
const count = z.number().int().min(0);
const code = z
  .string()
  .refine((value) => Object.hasOwn(errorCodes, value), { error: 'is no error code' })
  .transform((value) => value as ErrorCode);

/** More than any terminator can have; what is longer is an accident. */
const many = 200_000;

const acknowledgementSchema = z.object({
  terminatorId: id,
  revision: z.string().refine((value) => parseRevision(value) !== undefined, { error: 'is no revision' }),
  session: id.optional(),
  workers: count,
  refusals: z.array(z.object({ key, code, message: text })).max(many),
});

const servedReportSchema = z.object({
  terminatorId: id,
  complete: z.boolean(),
  served: z
    .array(
      z.object({
        certificateId: key,
        versionId: key,
        names: z.array(z.string().max(253)).max(reportBounds.names),
        serial: z.string().max(reportBounds.serial),
        fingerprint256: z.string().max(128),
        notAfter: time,
        since: time,
        source: text,
      }),
    )
    .max(many),
  gone: z.array(key).max(many),
  problems: z
    .array(z.object({ code, message: text, subject: text.optional(), since: time }))
    .max(reportBounds.problems),
  workers: z
    .array(z.object({ pid: count, startedAt: time, connections: count, asRoot: z.boolean().optional() }))
    .max(10_000),
  listening: z.array(text).max(1000),
  backends: z
    .array(
      z.object({
        backend: z.string().max(reportBounds.id),
        endpoint: text,
        state: z.enum(['healthy', 'unhealthy', 'ejected', 'unresolved']),
        open: count,
        requests: count,
      }),
    )
    .max(many)
    .optional(),
});

/** The `certplane-terminator` or `certplane-session` header; undefined when it names nobody. */
export function parseTerminatorId(header: unknown): string | undefined {
  return id.safeParse(header).data;
}

/** Throws a ZodError. */
export function parseAcknowledgement(value: unknown): Acknowledgement {
  return acknowledgementSchema.parse(value);
}

/** Throws a ZodError. */
export function parseServedReport(value: unknown): ServedReport {
  return servedReportSchema.parse(value);
}
