/** Options of one issuer: exactly one of `acme`, `ca` and `selfSigned`. */
import { z } from 'zod';
import { acmeDirectories } from '../../core/acme-directories.ts';
import { listen } from '../values/addresses.ts';
import { duration } from '../values/durations.ts';
import { exactHostName } from '../values/hosts.ts';
import type { Parser } from '../values/parsed.ts';
import { describeValue } from '../values/parsed.ts';
import { path, text } from '../values/scalars.ts';
import { secret } from '../values/secrets.ts';
import { nearest } from '../values/nearest.ts';
import { listOf, option } from './option.ts';

const day = 86_400_000;

/** A known CA by name, or the URL; always https (RFC 8555 §6.1). */
const directory: Parser<string> = (value) => {
  const known = typeof value === 'string' ? acmeDirectories[value] : undefined;
  if (known !== undefined) return { value: known };
  const names = Object.keys(acmeDirectories);
  const url = typeof value === 'string' ? URL.parse(value) : null;
  if (url?.protocol === 'https:' && url.username === '' && url.password === '') return { value: url.href };
  if (url?.protocol === 'http:')
    return { problem: `ACME runs over HTTPS only; write https://${url.host}${url.pathname}.` };
  if (url !== null && url.host !== '')
    return { problem: 'A directory URL is https and carries no credentials; write for example letsencrypt.' };
  const close = typeof value === 'string' ? nearest(value, names) : undefined;
  const instead = close ?? `one of ${names.join(', ')}, or the URL of the directory (https://…)`;
  return { problem: `${describeValue(value)} is not a known ACME directory; write ${instead}.` };
};

const http01Schema = z.strictObject({
  listen: option(listen, {
    description: 'Address of the answer to http-01 challenges when no terminator runs; the CA asks on port 80.',
    unit: 'address',
    default: ':80',
    example: '":80"',
  }).default({ host: '::', port: 80 }),
});

export const solverSchema = z.strictObject({
  http01: http01Schema.meta({ example: '{}' }),
  dnsNames: listOf(
    exactHostName,
    {
      description: 'The solver is for exactly these names.',
      unit: 'list of names',
      default: 'all names',
      example: '[shop.example.com]',
    },
    { min: 1, max: 1000 },
  ).optional(),
  dnsZones: listOf(
    exactHostName,
    {
      description: 'The solver is for these names and everything below them.',
      unit: 'list of names',
      default: 'all names',
      example: '[example.com]',
    },
    { min: 1, max: 1000 },
  ).optional(),
});

export const acmeSchema = z.strictObject({
  directory: option(directory, {
    description: `ACME directory: ${Object.keys(acmeDirectories)
      .map((name) => `\`${name}\``)
      .join(', ')}, or a URL. Using a CA accepts its terms of service.`,
    unit: 'name or URL',
    example: 'letsencrypt',
  }),
  email: option(
    text({
      maxLength: 254,
      pattern: /^[^\s@<>,;:]+@[^\s@<>,;:]+\.[^\s@<>,;:]+$/,
      form: 'one address without a name',
      example: 'ops@example.com',
    }),
    { description: 'Contact of the account at the CA.', unit: 'address', default: 'none', example: 'ops@example.com' },
  ).optional(),
  caBundle: option(path, {
    description: "PEM file of the roots trusted for the ACME server's own HTTPS, in place of the system's.",
    unit: 'path',
    default: "the system's roots",
    example: './ca.pem',
  }).optional(),
  externalAccount: z
    .strictObject({
      keyId: option(text({ maxLength: 1000, example: 'kid-1' }), {
        description: 'Key identifier of an external account binding (RFC 8555 §7.3.4), from the CA.',
        unit: 'text',
        example: 'kid-1',
      }),
      hmacKey: option(secret, {
        description: 'The key that belongs to it, base64url as the CA gave it: `${ENV_NAME}` or `{ file: path }`.',
        unit: 'secret',
        example: '${ACME_HMAC_KEY}',
      }),
    })
    .optional(),
  solvers: z
    .array(solverSchema)
    .min(1)
    .max(100)
    .default([{ http01: { listen: { host: '::', port: 80 } } }])
    .meta({
      description: 'How control of names is proved; the most specific solver for a name is used.',
      unit: 'list',
      default: '[{ http01: {} }]',
      example: '[{ http01: {} }]',
    }),
});

export const issuerSchema = z.strictObject({
  acme: acmeSchema.meta({ example: '{ directory: letsencrypt }' }).optional(),
  ca: z
    .strictObject({
      lifetime: option(duration(day, 36_500 * day), {
        description: 'Lifetime of the root of a private CA kept in the data directory.',
        unit: 'duration',
        default: '10y',
        example: '10y',
      }).default(3650 * day),
    })
    .meta({ example: '{ lifetime: 10y }' })
    .optional(),
  selfSigned: z
    .strictObject({})
    .meta({
      description: 'Certificates signed with their own keys; for tests.',
      unit: 'mapping',
      default: 'none',
      example: '{}',
    })
    .optional(),
});
