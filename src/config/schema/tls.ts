/** How hosts are spoken to over TLS: for all of them under `terminator.tls`, for some under `terminator.hosts`. */
import { z } from 'zod';
import { tlsPresets } from '../../core/tls-policy.ts';
import { durationOrZero } from '../values/durations.ts';
import { boolean, integer, oneOf, path, text } from '../values/scalars.ts';
import { cipherSuite, keyExchangeGroup, tlsVersion } from '../values/tls.ts';
import { listOf, option } from './option.ts';

const year = 31_536_000_000;

/** No defaults here: what is not written is inherited. */
export const tlsSchema = z.strictObject({
  preset: option(oneOf(['intermediate', 'modern']), {
    description:
      "Mozilla's server side TLS guidelines 5.7: sets minVersion, ciphers and curves, each of which can be written besides.",
    unit: '`intermediate` or `modern`',
    default: 'intermediate',
    example: 'modern',
  }).optional(),
  minVersion: option(tlsVersion, {
    description: 'The oldest TLS version that is spoken.',
    unit: '"1.2" or "1.3"',
    default: '"1.2" (intermediate), "1.3" (modern)',
    example: '"1.3"',
  }).optional(),
  ciphers: listOf(
    cipherSuite,
    {
      description:
        'Cipher suites of TLS 1.2; those of TLS 1.3 are fixed. Of those both sides have, the client takes the one it likes best.',
      unit: 'list of OpenSSL names',
      default: "the preset's",
      example: '[ECDHE-ECDSA-AES128-GCM-SHA256, ECDHE-RSA-AES128-GCM-SHA256]',
    },
    { min: 1, max: 50 },
  ).optional(),
  curves: listOf(
    keyExchangeGroup,
    {
      description: 'Groups for the key exchange. Of those both sides have, the one the client likes best is taken.',
      unit: 'list of names',
      default: `[${tlsPresets.intermediate.curves.join(', ')}]`,
      example: '[X25519MLKEM768, X25519]',
    },
    { min: 1, max: 20 },
  ).optional(),
  sessionTickets: option(boolean, {
    description: 'Whether clients may resume sessions.',
    unit: 'true or false',
    default: 'true',
    example: 'false',
  }).optional(),
  alpn: listOf(
    oneOf(['h2', 'http/1.1']),
    {
      description: 'Protocols offered to clients, in order of preference.',
      unit: 'list of `h2`, `http/1.1`',
      default: '[h2, http/1.1]',
      example: '[http/1.1]',
    },
    { min: 1, max: 2 },
  ).optional(),
  ocspStapling: option(boolean, {
    description: 'Whether the answer of the OCSP responder comes with the certificate, where the issuer has one.',
    unit: 'true or false',
    default: 'true',
    example: 'false',
  }).optional(),
  hsts: z
    .strictObject({
      maxAge: option(durationOrZero(1000, 10 * year), {
        description: 'How long browsers come over HTTPS only; 0 takes it back.',
        unit: 'duration or 0',
        default: '1y',
        example: '1y',
      }).default(year),
      includeSubdomains: option(boolean, {
        description: 'The same for every name below the host.',
        unit: 'true or false',
        default: 'false',
        example: 'true',
      }).default(false),
      preload: option(boolean, {
        description: 'Consent to the preload lists of browsers; takes maxAge of at least 1y and includeSubdomains.',
        unit: 'true or false',
        default: 'false',
        example: 'true',
      }).default(false),
    })
    .meta({
      description: 'Strict-Transport-Security (RFC 6797), sent over HTTPS; false for none.',
      unit: 'mapping or false',
      default: 'none',
      example: '{ maxAge: 1y, includeSubdomains: true }',
    })
    .optional(),
  clientCertificates: z
    .strictObject({
      mode: option(oneOf(['require', 'optional']), {
        description:
          'Whether clients without a verified certificate are refused (`require`), or go on and the backend is told (`optional`).',
        unit: '`require` or `optional`',
        default: 'require',
        example: 'optional',
      }).default('require'),
      ca: option(path, {
        description: 'PEM file with the CAs that client certificates come from; read by the terminator.',
        unit: 'path',
        example: './clients.pem',
      }),
      crl: option(path, {
        description: 'PEM file with the revocation lists of these CAs.',
        unit: 'path',
        default: 'none',
        example: './clients.crl.pem',
      }).optional(),
      depth: option(integer(0, 10), {
        description: 'Most intermediate certificates between the client and its CA.',
        unit: 'number',
        default: '1',
        example: '1',
      }).default(1),
      subjects: listOf(
        text({ maxLength: 300, example: '"*.clients.example.com"' }),
        {
          description:
            'One of these has to match a subject alternative name or the common name; `*` stands for anything inside.',
          unit: 'list of patterns',
          default: 'any',
          example: '["*.clients.example.com"]',
        },
        { min: 1, max: 1000 },
      ).optional(),
    })
    .meta({
      description: 'Certificates of clients (mTLS); false for none.',
      unit: 'mapping or false',
      default: 'none',
      example: '{ ca: ./clients.pem }',
    })
    .optional(),
});
