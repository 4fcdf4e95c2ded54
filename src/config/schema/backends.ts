/** Options of one backend. */
import { z } from 'zod';
import { backendDefaults } from '../../core/backend.ts';
import { balance, caSources, statusRange } from '../values/backends.ts';
import { duration, durationOrZero } from '../values/durations.ts';
import { endpoint } from '../values/endpoints.ts';
import { authority, exactHostName } from '../values/hosts.ts';
import { requestPath } from '../values/path-match.ts';
import { boolean, integer, oneOf } from '../values/scalars.ts';
import { tlsVersion } from '../values/tls.ts';
import { certificateName } from './names.ts';
import { option } from './option.ts';

const hour = 3_600_000;
const { timeouts, passiveHealth } = backendDefaults;

/** One entry of `endpoints`, where it is no plain text. */
export const endpointSchema = z.strictObject({
  address: option(endpoint, {
    description: 'URL, address with port, or unix socket.',
    unit: 'address',
    example: '"10.0.0.2:80"',
  }),
  weight: option(integer(0, 1000), {
    description: 'Share of the requests; 0 gets none.',
    unit: 'number',
    default: '1',
    example: '3',
  }).default(1),
});

const tlsSchema = z.strictObject({
  verify: option(boolean, {
    description: 'False takes any certificate, which is shown as a problem for as long as it lasts.',
    unit: 'true or false',
    default: 'true',
    example: 'true',
  }).default(true),
  ca: option(caSources, {
    description:
      'What the certificate has to come from: a PEM file, a private CA of this configuration (`{ issuer: local }`), or a list of them.',
    unit: 'path, issuer or list',
    default: "the system's CAs",
    example: '{ issuer: local }',
  }).optional(),
  serverName: option(exactHostName, {
    description: 'Name that is asked for (SNI) and verified.',
    unit: 'name',
    default: "the endpoint's host",
    example: 'app.internal',
  }).optional(),
  clientCertificate: option(certificateName, {
    description: 'Certificate of this configuration that is shown to the backend (mTLS); renewals are taken over.',
    unit: 'name of a certificate',
    default: 'none',
    example: 'gateway',
  }).optional(),
  minVersion: option(tlsVersion, {
    description: 'The oldest TLS version that is spoken to the backend.',
    unit: '"1.2" or "1.3"',
    default: '"1.2"',
    example: '"1.3"',
  }).default('TLSv1.2'),
});

const healthSchema = z.strictObject({
  path: option(requestPath, {
    description: 'Path that is asked for; without one, connecting (with TLS where configured) is enough.',
    unit: 'path',
    default: 'none',
    example: '/healthz',
  }).optional(),
  host: option(authority, {
    description: 'Host header of the check.',
    unit: 'host',
    default: "the endpoint's",
    example: 'app.internal',
  }).optional(),
  interval: option(duration(1000, hour), {
    description: 'Time between two checks of an endpoint.',
    unit: 'duration',
    default: '10s',
    example: '10s',
  }).default(10_000),
  timeout: option(duration(100, 60_000), {
    description: 'A check that takes longer has failed; at most the interval.',
    unit: 'duration',
    default: '5s, or the interval where that is shorter',
    example: '2s',
  }).optional(),
  healthyAfter: option(integer(1, 100), {
    description: 'Good checks in a row that bring an endpoint back.',
    unit: 'number',
    default: '2',
    example: '2',
  }).default(2),
  unhealthyAfter: option(integer(1, 100), {
    description: 'Failed checks in a row that take an endpoint out.',
    unit: 'number',
    default: '3',
    example: '3',
  }).default(3),
  status: option(statusRange, {
    description: 'Statuses that are good.',
    unit: 'range',
    default: '"200-399"',
    example: '"200-299"',
  }).optional(),
});

export const backendSchema = z.strictObject({
  endpoints: z.array(z.unknown()).min(1).max(1000).meta({
    description:
      'Where it is: URLs (`http`, `https`, `h2c`, `h2`, `tcp`), addresses with a port, `unix:/path`; or `{ address, weight }` with a weight from 0 to 1000. Each address of a name is an endpoint.',
    unit: 'list',
    example: '["http://10.0.0.2:8080", { address: "http://10.0.0.3:8080", weight: 3 }]',
  }),
  protocol: option(oneOf(['http1', 'http2', 'tcp']), {
    description:
      'How it is spoken to. `http2` without TLS is h2c with prior knowledge; gRPC needs `http2`. A URL with `h2c`, `h2` or `tcp` says it already.',
    unit: '`http1`, `http2` or `tcp`',
    default: 'http1',
    example: 'http2',
  }).optional(),
  tls: tlsSchema
    .meta({
      description: 'TLS to the backend; `https` and `h2` URLs have it, verified, with or without these options.',
      unit: 'mapping',
      default: 'none, or all defaults with `https` and `h2`',
      example: '{ ca: { issuer: local } }',
    })
    .optional(),
  balance: option(balance, {
    description:
      'How an endpoint is chosen: `round-robin`, `least-connections`, `{ hash: client-address }`, `{ hash: path }`, `{ hash: { header: NAME } }` or `{ hash: { cookie: NAME } }`.',
    unit: 'word or mapping',
    default: 'round-robin',
    example: 'least-connections',
  }).default(backendDefaults.balance),
  health: healthSchema
    .meta({
      description: 'Checks of every endpoint at intervals; `{}` only connects.',
      unit: 'mapping',
      default: 'none',
      example: '{ path: /healthz }',
    })
    .optional(),
  passiveHealth: z
    .preprocess(
      (value) => (value === false ? { failures: 0 } : value),
      z.strictObject({
        failures: option(integer(0, 1000), {
          description: 'Failed requests in a row (no answer, a broken one, 502, 503, 504) that take an endpoint out.',
          unit: 'number, 0 for never',
          default: String(passiveHealth.failures),
          example: '5',
        }).default(passiveHealth.failures),
        eject: option(duration(1000, 24 * hour), {
          description: 'How long it stays out; then one request tries it.',
          unit: 'duration',
          default: '10s',
          example: '10s',
        }).default(passiveHealth.ejectMs),
      }),
    )
    .prefault({}),
  slowStart: option(durationOrZero(1000, hour), {
    description: 'Within this time an endpoint that came back gets its share step by step.',
    unit: 'duration or 0',
    default: '0',
    example: '30s',
  }).default(0),
  retries: option(integer(0, 10), {
    description: 'Attempts on other endpoints for requests that may be repeated and have not been answered.',
    unit: 'number',
    default: String(backendDefaults.retries),
    example: '1',
  }).default(backendDefaults.retries),
  maxRequests: option(integer(0, 10_000_000), {
    description: 'Requests at once, per worker; more are answered 503.',
    unit: 'number, 0 for no limit',
    default: '0',
    example: '1000',
  }).default(0),
  maxConnections: option(integer(0, 1_000_000), {
    description: 'Connections to one endpoint, per worker; more requests wait for one, at most `timeouts.connect`.',
    unit: 'number, 0 for no limit',
    default: '0',
    example: '100',
  }).default(0),
  timeouts: z
    .strictObject({
      connect: option(duration(10, hour), {
        description: 'Connecting, with TLS where configured.',
        unit: 'duration',
        default: '5s',
        example: '2s',
      }).default(timeouts.connectMs),
      firstByte: option(durationOrZero(10, 24 * hour), {
        description: 'From the whole request sent to the first byte of the response.',
        unit: 'duration, 0 for `idle` alone',
        default: '0',
        example: '30s',
      }).default(timeouts.firstByteMs),
      idle: option(duration(10, 24 * hour), {
        description: 'Any gap without a byte while one is expected.',
        unit: 'duration',
        default: '60s',
        example: '60s',
      }).default(timeouts.idleMs),
    })
    .prefault({}),
  maxIdle: option(integer(0, 100_000), {
    description: 'Connections kept open for later requests, per worker and endpoint.',
    unit: 'number',
    default: String(backendDefaults.maxIdle),
    example: '64',
  }).default(backendDefaults.maxIdle),
  proxyProtocol: option(oneOf(['v1', 'v2']), {
    description: 'PROXY protocol header that tells the backend who the client is.',
    unit: '`v1` or `v2`',
    default: 'none',
    example: 'v2',
  }).optional(),
});

export type BackendInput = z.output<typeof backendSchema>;
