/** Options of the TLS terminator. */
import { z } from 'zod';
import { listenListOrOff } from '../values/addresses.ts';
import { exactHostName, hostName, kubernetesName } from '../values/hosts.ts';
import { network } from '../values/networks.ts';
import { account, boolean, integer, path, text } from '../values/scalars.ts';
import { backendSchema } from './backends.ts';
import { accessLogSchema, limitsSchema, timeoutsSchema } from './limits.ts';
import { servedCertificate } from './names.ts';
import { listOf, option } from './option.ts';
import { routeSchema } from './routes.ts';
import { tlsSchema } from './tls.ts';

function listener(port: number, description: string) {
  return z
    .preprocess(
      (value) => (value === false ? { listen: false } : value),
      z.strictObject({
        listen: option(listenListOrOff, {
          description,
          unit: 'address, list of addresses, or false',
          default: `"[::]:${port}"`,
          example: `":${port}"`,
        }).default([{ host: '::', port }]),
        proxyProtocol: option(boolean, {
          description:
            'Whether every connection from `trustedProxies` begins with a PROXY protocol header (v1 or v2) that says who the client is.',
          unit: 'true or false',
          default: 'false',
          example: 'true',
        }).default(false),
      }),
    )
    .prefault({});
}

export const sourceSchema = z.strictObject({
  files: z
    .strictObject({
      directory: option(path, {
        description:
          'Directory of PEM files with certificates and keys from elsewhere, also as Kubernetes mounts them.',
        unit: 'path',
        example: '/etc/certs',
      }),
    })
    .meta({ example: '{ directory: /etc/certs }' })
    .optional(),
  kubernetesSecrets: z
    .strictObject({
      namespace: option(kubernetesName('label'), {
        description: 'Serves the TLS Secrets of this namespace.',
        unit: 'name',
        default: 'all namespaces',
        example: 'shop',
      }).optional(),
      selector: option(text({ maxLength: 1000, example: '"app=shop"' }), {
        description: 'Only Secrets with these labels.',
        unit: 'label selector',
        default: 'all',
        example: '"app=shop"',
      }).optional(),
    })
    .meta({ example: '{ namespace: shop }' })
    .optional(),
});

export const hostSchema = z.strictObject({
  names: listOf(
    hostName,
    {
      description: 'Names that the entry is for, exact or one-label wildcards; each stands in one entry only.',
      unit: 'list of names',
      example: '[shop.example.com]',
    },
    { min: 1, max: 1000 },
  ),
  certificate: option(servedCertificate, {
    description:
      'The one certificate that may serve these names: by its name under `certificates`, or as `seen/files/NAME` or `seen/secrets/NAMESPACE/NAME` where it is from `sources`.',
    unit: 'name or id of a certificate',
    default: 'the best that covers them',
    example: 'shop',
  }).optional(),
  tls: z
    .unknown()
    .meta({
      description: 'As `terminator.tls`, from which every key that is not written is inherited.',
      unit: 'mapping',
      default: '`terminator.tls`',
      example: '{ preset: modern }',
    })
    .optional(),
});

const options = z.strictObject({
  workers: option(integer(1, 256), {
    description: 'Worker processes.',
    unit: 'number',
    default: 'one per core',
    example: '2',
  }).optional(),
  user: option(account, {
    description:
      'User that workers become when the terminator is started as root, which they cannot take back. See [terminator.md](terminator.md#life-cycle).',
    unit: 'name or number',
    default: 'the user of the process',
    example: 'www-data',
  }).optional(),
  group: option(account, {
    description: 'Group of the workers, beside those that `user` is in.',
    unit: 'name or number',
    default: 'the group of `user`',
    example: 'www-data',
  }).optional(),
  https: listener(443, 'Addresses of the HTTPS listener; a missing host means both address families; false for none.'),
  http: listener(80, 'Addresses of the HTTP listener, which redirects to HTTPS and answers http-01; false for none.'),
  trustedProxies: listOf(
    network,
    {
      description:
        'Networks whose X-Forwarded-For, X-Forwarded-Proto, Forwarded and PROXY headers are believed; those of others are replaced.',
      unit: 'list of networks',
      default: 'none',
      example: '[10.0.0.0/8, "fd00::/8"]',
    },
    { min: 0, max: 1000 },
  ).default([]),
  tls: tlsSchema.optional(),
  hosts: z.array(hostSchema).max(100_000).default([]).meta({
    description: 'Certificate and TLS options of some host names.',
    unit: 'list',
    default: 'none',
    example: '[{ names: [shop.example.com], tls: { preset: modern } }]',
  }),
  ticketKeys: z
    .strictObject({
      file: option(path, {
        description:
          'Session ticket keys for several terminators: 48 random bytes in base64 on each line; the first one encrypts, all of them resume.',
        unit: 'path',
        example: '/etc/certplane/ticket.keys',
      }),
    })
    .meta({ example: '{ file: /etc/certplane/ticket.keys }' })
    .optional(),
  defaultHost: option(exactHostName, {
    description:
      'Host whose certificate answers clients that name no known host; without it such handshakes are refused.',
    unit: 'name',
    default: 'none',
    example: 'shop.example.com',
  }).optional(),
  sources: z.array(sourceSchema).max(100).default([]).meta({
    description: "Certificates served besides Certplane's own: `files` or `kubernetesSecrets`.",
    unit: 'list',
    default: 'none',
    example: '[{ files: { directory: /etc/certs } }]',
  }),
  backends: z
    .record(z.string(), backendSchema)
    .meta({
      description: 'Backends that routes name.',
      unit: 'mapping',
      default: 'none',
      example: '{ app: { endpoints: ["http://127.0.0.1:3000"] } }',
    })
    .optional(),
  routes: z.array(routeSchema).max(100_000).default([]).meta({
    description:
      'What is served: `hosts`, conditions, and one of `backend`, `respond`, `redirect`, `tcp` and `passthrough`.',
    unit: 'list',
    default: 'none',
    example: '[{ hosts: [shop.example.com], backend: http://127.0.0.1:3000 }]',
  }),
  limits: limitsSchema.prefault({}),
  timeouts: timeoutsSchema.prefault({}),
  accessLog: accessLogSchema
    .meta({
      description: 'Access log; `{}` writes JSON to standard output.',
      unit: 'mapping',
      default: 'off',
      example: '{ format: combined, file: ./access.log }',
    })
    .optional(),
});

export const terminatorSchema = options.meta({
  description: 'The TLS terminator; without this section none runs. `{}` is one with all defaults.',
  unit: 'mapping',
  default: 'no terminator',
  example: '{}',
});
