/** Options of the TLS terminator. */
import { z } from 'zod';
import { defaultTimeouts, type TerminatorTimeouts } from '../../core/route.ts';
import { listenListOrOff } from '../values/addresses.ts';
import { duration } from '../values/durations.ts';
import { exactHostName, kubernetesName } from '../values/hosts.ts';
import { integer, path, text } from '../values/scalars.ts';
import { option } from './option.ts';
import { routeSchema } from './routes.ts';

function timeout(key: keyof TerminatorTimeouts, description: string, maxMs = 3_600_000) {
  const shown = `${defaultTimeouts[key] / 1000}s`;
  return option(duration(100, maxMs), { description, unit: 'duration', default: shown, example: shown }).default(
    defaultTimeouts[key],
  );
}

const timeoutsSchema = z.strictObject({
  handshake: timeout('handshakeMs', 'From accept to the end of the TLS handshake.'),
  header: timeout('headerMs', 'From accept, or the previous response, to a complete request head.'),
  idle: timeout('idleMs', 'A kept-alive connection without a request.'),
  backendConnect: timeout('backendConnectMs', 'Connecting to a backend.'),
  backendIdle: timeout('backendIdleMs', 'Any gap without a byte from a backend.'),
  drain: timeout('drainMs', 'After a stop: how long open connections may go on.', 86_400_000),
});

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

export const terminatorSchema = z.strictObject({
  workers: option(integer(1, 256), {
    description: 'Worker processes.',
    unit: 'number',
    default: 'one per core',
    example: '2',
  }).optional(),
  https: listener(443, 'Addresses of the HTTPS listener; a missing host means both address families; false for none.'),
  http: listener(80, 'Addresses of the HTTP listener, which redirects to HTTPS and answers http-01; false for none.'),
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
  routes: z.array(routeSchema).max(100_000).default([]).meta({
    description: 'What is served: `hosts`, an optional `path`, and `backend` or `respond`.',
    unit: 'list',
    default: 'none',
    example: '[{ hosts: [shop.example.com], backend: http://127.0.0.1:3000 }]',
  }),
  timeouts: timeoutsSchema.prefault({}),
});

export type TimeoutsInput = z.output<typeof timeoutsSchema>;
