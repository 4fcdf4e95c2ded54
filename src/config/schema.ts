/**
 * The whole configuration file. Every option has a default, a unit and a sentence; docs/configuration.md's table is
 * checked against this. `load.ts` parses it piece by piece, so that one wrong entry hides nothing about the others.
 */
import { z } from 'zod';
import { certificateSchema } from './schema/certificates.ts';
import {
  adminSchema,
  dataDirSchema,
  defaultsSchema,
  issuanceSchema,
  kubernetesSchema,
  metricsSchema,
} from './schema/general.ts';
import { issuerSchema } from './schema/issuers.ts';
import { terminatorSchema } from './schema/terminator.ts';

export const fileSchema = z.strictObject({
  dataDir: dataDirSchema,
  admin: adminSchema.prefault({}),
  metrics: metricsSchema.prefault({}),
  issuance: issuanceSchema.prefault({}),
  defaults: defaultsSchema.prefault({}),
  issuers: z
    .record(z.string(), issuerSchema)
    .meta({
      description: 'Where certificates come from, by name: exactly one of `acme`, `ca` and `selfSigned` each.',
      unit: 'mapping',
      default: '`letsencrypt`, built in',
      example: '{ local: { ca: {} } }',
    })
    .optional(),
  certificates: z
    .record(z.string(), certificateSchema)
    .meta({
      description: 'Certificates that are wanted, by name, besides the automatic ones of route hosts.',
      unit: 'mapping',
      default: 'none',
      example: '{ shop: { dnsNames: [shop.example.com] } }',
    })
    .optional(),
  kubernetes: kubernetesSchema.optional(),
  terminator: terminatorSchema.optional(),
});
