/** Time limits, other limits and the access log of the terminator. */
import { z } from 'zod';
import {
  defaultLimits,
  defaultTimeouts,
  type TerminatorLimits,
  type TerminatorTimeouts,
} from '../../core/terminator.ts';
import { duration, durationOrZero } from '../values/durations.ts';
import { integer, oneOf, path, share } from '../values/scalars.ts';
import { formatSize, size } from '../values/sizes.ts';
import { option } from './option.ts';

const hour = 3_600_000;

function timeout(key: keyof TerminatorTimeouts, description: string, maxMs = hour) {
  const shown = `${defaultTimeouts[key] / 1000}s`;
  return option(duration(100, maxMs), { description, unit: 'duration', default: shown, example: shown }).default(
    defaultTimeouts[key],
  );
}

export const timeoutsSchema = z.strictObject({
  handshake: timeout('handshakeMs', 'From accept to the end of the TLS handshake.'),
  header: timeout('headerMs', 'From accept, or the previous response, to a complete request head.'),
  body: timeout('bodyMs', 'Any gap without a byte while a request body is expected.'),
  idle: timeout('idleMs', 'A kept-alive connection without a request.'),
  tunnelIdle: option(durationOrZero(1000, 365 * 24 * hour), {
    description:
      'A WebSocket, a TCP connection, or an answer that has begun while the request body is open, without a byte in either direction; 0: as long as both ends like.',
    unit: 'duration or 0',
    default: '0',
    example: '1h',
  }).default(defaultTimeouts.tunnelIdleMs),
  drain: timeout('drainMs', 'After a stop: how long open connections may go on.', 24 * hour),
});

function bytes(key: keyof TerminatorLimits, description: string, bounds: { min: number; max: number; zero: boolean }) {
  const shown = formatSize(defaultLimits[key]);
  return option(size(bounds.min, bounds.max, bounds), {
    description,
    unit: bounds.zero ? 'size, 0 for no limit' : 'size',
    default: shown,
    example: bounds.zero ? '10MiB' : shown,
  }).default(defaultLimits[key]);
}

function count(
  key: keyof TerminatorLimits,
  description: string,
  bounds: { min: number; max: number; example: string },
) {
  return option(integer(bounds.min, bounds.max), {
    description,
    unit: bounds.min === 0 ? 'number, 0 for no limit' : 'number',
    default: String(defaultLimits[key]),
    example: bounds.example,
  }).default(defaultLimits[key]);
}

const many = 10_000_000;

export const limitsSchema = z.strictObject({
  header: bytes('headerBytes', 'Request line and header section, or an HTTP/2 header list; more is answered 431.', {
    min: 1024,
    max: 1_048_576,
    zero: false,
  }),
  headerCount: count('headerCount', 'Header lines of a request; more are answered 431.', {
    min: 10,
    max: 10_000,
    example: '100',
  }),
  body: bytes('bodyBytes', 'Request body; more is answered 413.', { min: 1, max: 1024 ** 5, zero: true }),
  connections: count('connections', 'Open client connections of a worker; more wait in the backlog.', {
    min: 0,
    max: many,
    example: '10000',
  }),
  connectionsPerClient: count(
    'connectionsPerClient',
    'Open connections of one client address (IPv6: of one /64) to a worker; more are closed.',
    { min: 0, max: many, example: '100' },
  ),
  handshakesPerSecond: count('handshakesPerSecond', 'New TLS handshakes of a worker in a second; more are closed.', {
    min: 0,
    max: many,
    example: '1000',
  }),
  requestsPerConnection: count(
    'requestsPerConnection',
    'After so many requests a connection is closed in good order.',
    {
      min: 0,
      max: many,
      example: '10000',
    },
  ),
  streamsPerConnection: count('streamsPerConnection', 'Concurrent HTTP/2 streams of a connection.', {
    min: 1,
    max: 65_535,
    example: '128',
  }),
  resetsPerMinute: count('resetsPerMinute', 'HTTP/2 streams that a client may reset on a connection in a minute.', {
    min: 1,
    max: many,
    example: '200',
  }),
});

export const accessLogSchema = z.strictObject({
  format: option(oneOf(['json', 'combined']), {
    description: 'A JSON object per line, or the Combined Log Format.',
    unit: '`json` or `combined`',
    default: 'json',
    example: 'combined',
  }).default('json'),
  file: option(path, {
    description: 'File that lines are appended to.',
    unit: 'path',
    default: 'standard output',
    example: '/var/log/certplane/access.log',
  }).optional(),
  sample: option(share, {
    description: 'Share of the requests that are written; answers of 500 and above always are.',
    unit: 'number above 0, up to 1',
    default: '1',
    example: '0.1',
  }).default(1),
});
