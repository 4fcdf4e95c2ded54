/** Options of one certificate. */
import { z } from 'zod';
import { duration } from '../values/durations.ts';
import { hostName, kubernetesName } from '../values/hosts.ts';
import { account, command, integer, oneOf, path } from '../values/scalars.ts';
import { issuerName } from './names.ts';
import { listOf, option } from './option.ts';

const year = 31_536_000_000;

const filesSchema = z.strictObject({
  directory: option(path, {
    description:
      'Directory that gets fullchain.pem, privkey.pem, chain.pem, cert.pem and combined.pem, switched as one set.',
    unit: 'path',
    example: './live/shop',
  }),
  owner: option(account, {
    description: 'User who owns the files.',
    unit: 'name or number',
    default: 'the user of the process',
    example: 'www-data',
  }).optional(),
  group: option(account, {
    description: 'Group of the files; with one, it may read the keys (0640).',
    unit: 'name or number',
    default: 'the group of the process',
    example: 'ssl-cert',
  }).optional(),
});

const secretSchema = z.strictObject({
  namespace: option(kubernetesName('label'), {
    description: 'Namespace of the TLS Secret.',
    unit: 'name',
    example: 'shop',
  }),
  name: option(kubernetesName('subdomain'), {
    description: 'Name of the TLS Secret; one that somebody else owns is left alone.',
    unit: 'name',
    example: 'shop-tls',
  }),
});

export const outputSchema = z.strictObject({
  files: filesSchema.meta({ example: '{ directory: ./live/shop }' }).optional(),
  kubernetesSecret: secretSchema.meta({ example: '{ namespace: shop, name: shop-tls }' }).optional(),
  reloadCommand: option(command, {
    description:
      'Program and arguments, run without a shell after the files have been switched; once for all outputs with the same command that change together.',
    unit: 'list of words',
    default: 'none',
    example: '[nginx, -s, reload]',
  }).optional(),
  reloadTimeout: option(duration(1000, 3_600_000), {
    description: 'The reload command is ended after this long.',
    unit: 'duration',
    default: '30s',
    example: '30s',
  }).optional(),
});

const keySchema = z.strictObject({
  algorithm: option(oneOf(['ecdsa', 'rsa']), {
    description: 'Algorithm of the private key: `ecdsa` or `rsa`.',
    unit: 'word',
    default: 'ecdsa',
    example: 'ecdsa',
  }).default('ecdsa'),
  size: option(integer(1, 65_536), {
    description: 'Size of the private key: 256 or 384 for ecdsa; 2048, 3072 or 4096 for rsa.',
    unit: 'bits',
    default: '256 (ecdsa), 2048 (rsa)',
    example: '256',
  }).optional(),
});

export const certificateSchema = z.strictObject({
  dnsNames: listOf(
    hostName,
    {
      description: 'Names the certificate is for; a wildcard covers exactly one label and stands in quotes.',
      unit: 'list of names',
      example: '[shop.example.com]',
    },
    { min: 1, max: 100 },
  ),
  issuers: listOf(
    issuerName,
    {
      description: 'Issuers in order of preference.',
      unit: 'list of issuer names',
      default: '`defaults.issuers`',
      example: '[letsencrypt]',
    },
    { min: 1, max: 16 },
  ).optional(),
  key: keySchema.meta({ example: '{ algorithm: ecdsa, size: 256 }' }).optional(),
  lifetime: option(duration(10_000, 100 * year), {
    description: 'Lifetime of each version; private issuers only, an ACME CA decides itself.',
    unit: 'duration',
    default: "the issuer's",
    example: '90d',
  }).optional(),
  outputs: z.array(outputSchema).max(100).default([]).meta({
    description: 'Places each version is written to: `files` or `kubernetesSecret`. The terminator needs none.',
    unit: 'list',
    default: 'none',
    example: '[{ files: { directory: ./live/shop } }]',
  }),
});

export type CertificateInput = z.output<typeof certificateSchema>;
export type OutputInput = z.output<typeof outputSchema>;
