/** Everything else the API shows: the overview, issuers, terminators, history, events, problems. */
import { z } from 'zod';
import { checkResultSchema, countsOf } from './shared.ts';
import { certificateSchema, deliveryStates, managedStates, phases } from './certificates.ts';

const time = z.iso.datetime({ offset: false });

export const problemSchema = z
  .object({
    type: z.string().meta({ description: '`https://certplane.dev/errors/<code>`' }),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.string(),
    retryAt: time.optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457' });

const noticeSchema = z.object({
  code: z.string(),
  message: z.string(),
  subject: z.string().nullable(),
  since: time,
});

export const overviewSchema = z
  .object({
    now: time,
    total: z.number().int(),
    phases: countsOf(phases),
    delivery: countsOf(deliveryStates),
    managed: countsOf(managedStates),
    attention: z.array(certificateSchema).meta({ description: 'What needs a person, most urgent first; at most 20.' }),
    attentionTotal: z.number().int(),
    problems: z.array(noticeSchema),
    timeline: z
      .array(
        z.object({
          start: time,
          end: time,
          expiring: z.number().int(),
          renewing: z.number().int(),
        }),
      )
      .meta({
        description:
          'Spans from now to the latest expiry: how many end, and how many will be renewed, in each. They are equal, or, where most would share the first, each is longer than the one before.',
      }),
  })
  .meta({ id: 'Overview' });

export const issuerSchema = z
  .object({
    name: z.string(),
    kind: z.enum(['acme', 'ca', 'selfSigned']),
    directory: z.string().nullable(),
    account: z.string().nullable(),
    termsOfService: z.string().nullable().meta({ description: 'ACME: the terms that registering accepted.' }),
    rootPem: z.string().nullable(),
    certificates: z
      .number()
      .int()
      .meta({ description: 'Those whose version in use it issued, or for whose next version it is asked first.' }),
    problem: z.object({ code: z.string(), message: z.string(), until: time.nullable() }).nullable(),
  })
  .meta({ id: 'Issuer' });

export const terminatorSchema = z
  .object({
    id: z.string(),
    connected: z.boolean(),
    since: time,
    acknowledged: z.string().nullable(),
    current: z.string(),
    upToDate: z.boolean(),
    workers: z.array(z.object({ pid: z.number().int(), startedAt: time, connections: z.number().int() })),
    listening: z.array(z.string()),
    problems: z.array(noticeSchema),
    backends: z
      .array(
        z.object({
          backend: z.string(),
          endpoint: z.string(),
          state: z.enum(['healthy', 'unhealthy', 'ejected', 'unresolved']),
          open: z.number().int(),
          requests: z.number().int(),
        }),
      )
      .nullable()
      .meta({
        description:
          'Endpoints as all workers together see them; `open` counts connections; null where it does not tell.',
      }),
    served: z.number().int(),
  })
  .meta({ id: 'Terminator' });

const historyKinds = [
  'attempt',
  'issued',
  'failed',
  'delivered',
  'delivery-failed',
  'config',
  'admin',
  'removed',
] as const;

export const historyEntrySchema = z
  .object({
    id: z.number().int(),
    at: time,
    kind: z.enum(historyKinds),
    certificate: z.string().nullable(),
    code: z.string(),
    message: z.string(),
    actor: z.string(),
  })
  .meta({ id: 'HistoryEntry' });

export const historyQuerySchema = z.object({
  certificate: z.string().max(512).optional(),
  kind: z.enum(historyKinds).optional(),
  before: z.coerce.number().int().positive().optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});

/** `data:` of an SSE `change` event; `snapshot` events have no ids and mean: read everything again. */
export const changeEventSchema = z
  .object({
    certificates: z
      .array(z.string())
      .meta({ description: 'Changed certificate ids; more than 200 come as a snapshot event.' }),
    other: z.boolean().meta({ description: 'Issuers, terminators, problems or history changed.' }),
    phases: countsOf(phases),
    attentionTotal: z.number().int(),
  })
  .meta({ id: 'ChangeEvent' });

export const reloadResultSchema = z
  .object({
    added: z.number().int(),
    changed: z.number().int(),
    removed: z.number().int(),
    restartNeeded: z.array(z.string()),
    warnings: z.array(z.string()),
  })
  .meta({ id: 'ReloadResult' });

export const sessionSchema = z.object({ role: z.enum(['admin', 'viewer']), actor: z.string() }).meta({ id: 'Session' });

export const doctorSchema = z
  .object({
    checks: z.array(checkResultSchema),
  })
  .meta({ id: 'Doctor' });

export const tokenSchema = z
  .object({
    id: z.string(),
    label: z.string(),
    role: z.enum(['admin', 'viewer']),
    createdAt: time,
    expiresAt: time.nullable(),
    lastUsedAt: time.nullable(),
  })
  .meta({ id: 'Token' });

export type Problem = z.infer<typeof problemSchema>;
export type Notice = z.infer<typeof noticeSchema>;
export type Overview = z.infer<typeof overviewSchema>;
export type Issuer = z.infer<typeof issuerSchema>;
export type Terminator = z.infer<typeof terminatorSchema>;
export type HistoryEntry = z.infer<typeof historyEntrySchema>;
export type ChangeEvent = z.infer<typeof changeEventSchema>;
export type ReloadResult = z.infer<typeof reloadResultSchema>;
export type Session = z.infer<typeof sessionSchema>;
export type Doctor = z.infer<typeof doctorSchema>;
export type Token = z.infer<typeof tokenSchema>;
