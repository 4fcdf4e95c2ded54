/** Options of the installation as a whole. */
import { z } from 'zod';
import { listenOrOff, loopbackListen } from '../values/addresses.ts';
import { exactHostName } from '../values/hosts.ts';
import { integer, path, text } from '../values/scalars.ts';
import { issuerName } from './names.ts';
import { listOf, option } from './option.ts';

const defaultConcurrency = 8;

export const dataDirSchema = option(path, {
  description:
    'Directory of the database, the encryption key, private CAs and sockets; `--data-dir` and `CERTPLANE_DATA_DIR` override it, relative to the working directory.',
  unit: 'path',
  default: './data',
  example: './data',
}).default('./data');

export const adminSchema = z.strictObject({
  listen: option(loopbackListen, {
    description: 'Address of the API and the web page; loopback only, because it has no TLS of its own.',
    unit: 'address',
    default: '127.0.0.1:8484',
    example: '"127.0.0.1:8484"',
  }).default({ host: '127.0.0.1', port: 8484 }),
  hosts: listOf(
    exactHostName,
    {
      description:
        'Host names under which the terminator serves the admin page over HTTPS; each gets a route and a certificate unless it has one.',
      unit: 'list of names',
      default: 'none',
      example: '[certs.example.com]',
    },
    { min: 0, max: 100 },
  ).default([]),
});

export const metricsSchema = z
  .preprocess(
    (value) => (value === false ? { listen: false, terminator: false } : value),
    z.strictObject({
      listen: option(listenOrOff, {
        description: 'Where the control process serves /metrics, /livez and /readyz; false for nowhere.',
        unit: 'address or false',
        default: '127.0.0.1:9402',
        example: '"127.0.0.1:9402"',
      }).default({ host: '127.0.0.1', port: 9402 }),
      terminator: option(listenOrOff, {
        description: 'Where the terminator serves /metrics, /livez and /readyz; false for nowhere.',
        unit: 'address or false',
        default: '127.0.0.1:9403',
        example: '"127.0.0.1:9403"',
      }).default({ host: '127.0.0.1', port: 9403 }),
    }),
  )
  .meta({ note: '`metrics: false` turns both off.' });

export const issuanceSchema = z.strictObject({
  concurrency: option(integer(1, 256), {
    description: 'At most this many certificates are being issued at once.',
    unit: 'number',
    default: String(defaultConcurrency),
    example: '8',
  }).default(defaultConcurrency),
});

export const defaultsSchema = z.strictObject({
  issuers: listOf(
    issuerName,
    {
      description:
        'Issuers, in order of preference, of certificates that name none and of the automatic ones of route hosts.',
      unit: 'list of issuer names',
      default: '`letsencrypt`, or the only issuer there is',
      example: '[letsencrypt]',
    },
    { min: 1, max: 16 },
  ).optional(),
});

export const kubernetesSchema = z.strictObject({
  kubeconfig: option(path, {
    description: 'Kubernetes credentials; without it, those of the pod it runs in.',
    unit: 'path',
    default: 'in-cluster credentials',
    example: '~/.kube/config',
  }).optional(),
  context: option(text({ maxLength: 253, example: 'prod' }), {
    description: 'Context in the kubeconfig.',
    unit: 'text',
    default: 'its current context',
    example: 'prod',
  }).optional(),
});
