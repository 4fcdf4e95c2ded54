/** Certificates as the API shows them. Times are RFC 3339 strings in UTC. There is no private key anywhere in here. */
import { z } from 'zod';
import { checkResultSchema, countsOf } from './shared.ts';

const time = z.iso.datetime({ offset: false });

export const phases = ['pending', 'issuing', 'ready', 'renewing', 'failing', 'expired'] as const;
export const deliveryStates = ['none', 'delivered', 'lagging', 'failed'] as const;
export const managedStates = ['managed', 'paused', 'removed', 'observed'] as const;

const reasonSchema = z.object({
  code: z.string().meta({ description: 'Stable code for machines.' }),
  message: z.string().meta({ description: 'One sentence for people.' }),
});

function stateSchema<const T extends readonly [string, ...string[]]>(states: T) {
  return z.object({ state: z.enum(states), reason: reasonSchema });
}

const servedBySchema = z.object({
  terminator: z.string(),
  connected: z.boolean(),
  serial: z.string(),
  fingerprint256: z.string(),
  notAfter: time,
  since: time.meta({ description: 'Since when every worker of the terminator serves it.' }),
  source: z.string(),
  upToDate: z.boolean().meta({ description: 'Whether this is the version in use.' }),
});

export const certificateSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    names: z.array(z.string()).meta({ description: 'Host names, as wanted or (observed only) as found.' }),
    phase: stateSchema(phases),
    delivery: stateSchema(deliveryStates),
    managed: stateSchema(managedStates),
    urgency: z
      .enum(['none', 'attention', 'critical'])
      .meta({ description: 'Whether a person should act: decided by the server alone.' }),
    sentence: z.string().meta({ description: 'The state in one sentence, the same in CLI, API and UI.' }),
    nextAction: z.enum(['issue', 'renew', 'retry', 'deliver', 'none']),
    nextActionAt: time.nullable(),
    nextActionReason: reasonSchema,
    renewAt: time.nullable(),
    notBefore: time.nullable(),
    notAfter: time.nullable(),
    serial: z.string().nullable(),
    fingerprint256: z.string().nullable(),
    issuer: z.string().nullable().meta({ description: 'Configured issuer that issued the version in use.' }),
    servedBy: z.array(servedBySchema),
  })
  .meta({ id: 'Certificate' });

const chainEntrySchema = z.object({
  subject: z.string(),
  issuer: z.string(),
  serial: z.string(),
  notBefore: time,
  notAfter: time,
  fingerprint256: z.string(),
  key: z.string(),
});

const failureSchema = z.object({
  code: z.string(),
  message: z.string(),
  at: time,
  issuer: z.string().nullable(),
  problem: z
    .object({
      type: z.string(),
      detail: z.string().nullable(),
      subproblems: z.array(
        z.object({ type: z.string(), detail: z.string().nullable(), identifier: z.string().nullable() }),
      ),
    })
    .nullable()
    .meta({ description: "The CA's own problem document (RFC 9457), reduced." }),
});

export const certificateDetailSchema = certificateSchema
  .extend({
    issuers: z.array(z.string()).meta({ description: 'Configured issuers in order of preference.' }),
    key: z.string().nullable().meta({ description: 'Key type of the version in use, for example "ECDSA P-256".' }),
    version: z.number().int().nullable(),
    chain: z.array(chainEntrySchema),
    chainPem: z.string().nullable().meta({ description: 'Leaf and chain; public.' }),
    outputs: z.array(
      z.object({
        target: z.string(),
        state: z.enum(deliveryStates),
        reason: reasonSchema,
        at: time.nullable(),
        version: z.number().int().nullable(),
      }),
    ),
    progress: z
      .object({
        step: z.string(),
        issuer: z.string(),
        startedAt: time,
        waitUntil: time.nullable(),
        reason: reasonSchema,
      })
      .nullable()
      .meta({ description: 'The issuance under way.' }),
    failures: z.number().int().meta({ description: 'Failed attempts in a row.' }),
    lastFailure: failureSchema.nullable(),
    checks: z
      .array(checkResultSchema)
      .meta({ description: 'The reason chain: the first check that is not ok answers "why".' }),
  })
  .meta({ id: 'CertificateDetail' });

export const certificateSorts = ['urgency', 'name', '-name', 'notAfter', '-notAfter', 'renewAt', '-renewAt'] as const;

export const certificateQuerySchema = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  cursor: z.string().max(4096).optional(),
  q: z.string().max(253).optional().meta({ description: 'Part of a name, id, issuer or serial.' }),
  phase: z.enum(phases).optional(),
  issuer: z.string().max(253).optional().meta({
    description: 'Configured issuer: of the version in use, or the one asked first for the next.',
  }),
  attention: z.enum(['true']).optional().meta({ description: 'Only what needs a person.' }),
  sort: z.enum(certificateSorts).default('urgency'),
});

export const certificateListSchema = z
  .object({
    items: z.array(certificateSchema),
    next: z.string().nullable().meta({ description: 'Cursor of the next page.' }),
    total: z.number().int(),
    counts: z
      .object({ total: z.number().int(), attention: z.number().int(), phases: countsOf(phases) })
      .meta({ description: 'Of what q and issuer leave, whatever the phase and attention that are asked for.' }),
  })
  .meta({ id: 'CertificateList' });

export type Certificate = z.infer<typeof certificateSchema>;
export type CertificateDetail = z.infer<typeof certificateDetailSchema>;
export type CertificateList = z.infer<typeof certificateListSchema>;
export type CertificateQuery = z.infer<typeof certificateQuerySchema>;
export type ServedByEntry = z.infer<typeof servedBySchema>;
