/** Options of one route. */
import { z } from 'zod';
import { backend, hostName, pathPrefix } from '../values/hosts.ts';
import { describeValue, type Parser } from '../values/parsed.ts';
import { boolean, integer } from '../values/scalars.ts';
import { listOf, option } from './option.ts';

/** Set by the connection itself; a fixed value would break the framing. */
const hopByHop = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const headers: Parser<Readonly<Record<string, string>>> = (value) => {
  const form = 'write { content-type: text/plain }';
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { problem: `Headers are a mapping of names to values, not ${describeValue(value)}; ${form}.` };
  }
  const result: Record<string, string> = {};
  for (const [name, content] of Object.entries(value as Record<string, unknown>)) {
    const lower = name.toLowerCase();
    if (!/^[a-z0-9!#$%&'*+.^_`|~-]{1,200}$/.test(lower))
      return { problem: `${describeValue(name)} is not a header name; ${form}.` };
    if (hopByHop.has(lower))
      return { problem: `The header ${lower} belongs to the connection and is set by itself; leave it out.` };
    const line = typeof content === 'number' ? String(content) : content;
    if (typeof line !== 'string' || !/^[\t\x20-\x7e]{0,8192}$/.test(line)) {
      return { problem: `The value of ${lower} is not one line of plain text; ${form}.` };
    }
    result[lower] = line;
  }
  return { value: result };
};

const body: Parser<string> = (value) => {
  if (typeof value !== 'string') return { problem: `A body is text, not ${describeValue(value)}; write "hello\\n".` };
  return value.length > 65_536
    ? { problem: 'A body has at most 65536 characters; serve larger ones from a backend.' }
    : { value };
};

const respondSchema = z.strictObject({
  status: option(integer(200, 599), {
    description: 'Status of a fixed response.',
    unit: 'HTTP status',
    default: '200',
    example: '200',
  }).default(200),
  body: option(body, {
    description: 'Body of a fixed response.',
    unit: 'text',
    default: 'empty',
    example: '"hello\\n"',
  }).default(''),
  headers: option(headers, {
    description: 'Headers of a fixed response.',
    unit: 'mapping',
    default: '{ content-type: text/plain; charset=utf-8 }',
    example: '{ content-type: text/html }',
  }).default({}),
});

export const routeSchema = z.strictObject({
  hosts: listOf(
    hostName,
    {
      description:
        'Host names, exact or one-label wildcards in quotes; one that no certificate covers gets an automatic certificate.',
      unit: 'list of names',
      example: '[shop.example.com]',
    },
    { min: 1, max: 1000 },
  ),
  path: option(pathPrefix, {
    description: 'Path prefix by path element; the longest one wins.',
    unit: 'path prefix',
    default: '/',
    example: '/api',
  }).default('/'),
  backend: option(backend, {
    description: 'Origin that requests are sent to.',
    unit: 'URL',
    default: 'none, with `respond`',
    example: 'http://127.0.0.1:3000',
  }).optional(),
  respond: respondSchema.meta({ example: '{ status: 200, body: "hello\\n" }' }).optional(),
  automaticCertificate: option(boolean, {
    description: 'Whether hosts that no certificate covers get one; false where a source brings it.',
    unit: 'true or false',
    default: 'true',
    example: 'false',
  }).default(true),
});

export type RouteInput = z.output<typeof routeSchema>;
