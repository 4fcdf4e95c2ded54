/** Options of one route. */
import { z } from 'zod';
import { headerMatches, headerName, headerValues, method, requestHeaderName } from '../values/headers.ts';
import { authority, exactHostName, hostName } from '../values/hosts.ts';
import { describeValue, type Parser } from '../values/parsed.ts';
import { pathMatch, requestPath } from '../values/path-match.ts';
import { boolean, integer, oneOf } from '../values/scalars.ts';
import { routeName } from './names.ts';
import { listOf, option } from './option.ts';

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
  headers: option(headerValues(headerName, '{ content-type: text/html }'), {
    description: 'Headers of a fixed response.',
    unit: 'mapping',
    default: '{ content-type: text/plain; charset=utf-8 }',
    example: '{ content-type: text/html }',
  }).default({}),
});

const redirectStatus: Parser<301 | 302 | 303 | 307 | 308> = (value) => {
  const found = ([301, 302, 303, 307, 308] as const).find((status) => status === value);
  return found === undefined
    ? { problem: `${describeValue(value)} is no redirect; write 308 or 307 (the method stays), 301, 302 or 303.` }
    : { value: found };
};

const redirectSchema = z.strictObject({
  status: option(redirectStatus, {
    description: 'Status of a redirect.',
    unit: '301, 302, 303, 307 or 308',
    default: '308',
    example: '302',
  }).default(308),
  scheme: option(oneOf(['http', 'https']), {
    description: 'Scheme it leads to.',
    unit: '`http` or `https`',
    default: "the request's",
    example: 'https',
  }).optional(),
  host: option(exactHostName, {
    description: 'Host it leads to.',
    unit: 'name',
    default: "the request's",
    example: 'www.example.com',
  }).optional(),
  port: option(integer(1, 65_535), {
    description: 'Port it leads to.',
    unit: 'port',
    default: "the request's, or the usual one of `scheme` where that is written",
    example: '8443',
  }).optional(),
  path: option(requestPath, {
    description: 'Path it leads to, in place of the whole path; the query is kept.',
    unit: 'path',
    default: "the request's",
    example: '/moved',
  }).optional(),
  prefix: option(requestPath, {
    description: "What stands in place of the route's path prefix; the rest of the path is kept.",
    unit: 'path',
    default: "the request's",
    example: '/v2',
  }).optional(),
});

const rewriteSchema = z.strictObject({
  stripPrefix: option(boolean, {
    description: "Takes the route's path prefix off before the request goes to the backend.",
    unit: 'true or false',
    default: 'false',
    example: 'true',
  }).optional(),
  replacePrefix: option(requestPath, {
    description: "Puts this in place of the route's path prefix.",
    unit: 'path',
    default: 'none',
    example: '/v2',
  }).optional(),
  replacePath: option(requestPath, {
    description: 'Puts this in place of the whole path; the query is kept.',
    unit: 'path',
    default: 'none',
    example: '/index.html',
  }).optional(),
});

function changes(whose: string, name: Parser<string>) {
  const values = headerValues(name, '{ x-team: shop }');
  return z.strictObject({
    set: option(values, {
      description: `Headers of the ${whose} that are set, in place of what is there.`,
      unit: 'mapping',
      default: 'none',
      example: '{ x-team: shop }',
    }).default({}),
    add: option(values, {
      description: `Headers of the ${whose} that are added to what is there.`,
      unit: 'mapping',
      default: 'none',
      example: '{ x-team: shop }',
    }).default({}),
    remove: listOf(
      name,
      {
        description: `Headers of the ${whose} that are taken out, before others are set and added.`,
        unit: 'list of names',
        default: 'none',
        example: '[x-debug]',
      },
      { min: 0, max: 100 },
    ).default([]),
  });
}

/** Read once the backends of the file are known. */
const anything: Parser<unknown> = (value) => ({ value });

export const routeSchema = z.strictObject({
  name: option(routeName, {
    description: 'Name in metrics and logs.',
    unit: 'name',
    default: 'first host and path',
    example: 'shop-api',
  }).optional(),
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
  path: option(pathMatch, {
    description:
      'Prefix by path element, or `{ exact: /path }`, `{ prefix: /path }` or `{ regex: "/v[0-9]+/" }`, matched from the beginning. Exact wins, then the longest prefix, then a regex; `/` takes the rest.',
    unit: 'path or mapping',
    default: '/',
    example: '/api',
  }).default({ kind: 'prefix', value: '/' }),
  methods: listOf(
    method,
    {
      description: 'Only requests with these methods; `GET` does not include `HEAD`.',
      unit: 'list of methods',
      default: 'any',
      example: '[GET, HEAD]',
    },
    { min: 1, max: 20 },
  ).optional(),
  headers: option(headerMatches, {
    description: 'Only requests with all of these headers; `true` for any value.',
    unit: 'mapping',
    default: 'any',
    example: '{ x-beta: "1" }',
  }).optional(),
  backend: z
    .unknown()
    .meta({
      description:
        'Where requests are sent: a URL (`http`, `https`, `h2c`, `h2`) or `unix:/path`, the name of a backend, or the options of one.',
      unit: 'URL, name or mapping',
      default: 'none, with one of the four below',
      example: 'http://127.0.0.1:3000',
    })
    .optional(),
  respond: respondSchema.meta({ example: '{ status: 200, body: "hello\\n" }' }).optional(),
  redirect: redirectSchema.meta({ example: '{ host: www.example.com }' }).optional(),
  tcp: z
    .strictObject({
      backend: option(anything, {
        description:
          'The bytes inside TLS go there as they are: a `tcp` URL or `unix:/path`, a name, or options. Owns its hosts whole.',
        unit: 'URL, name or mapping',
        example: 'tcp://127.0.0.1:5432',
      }),
    })
    .meta({ example: '{ backend: tcp://127.0.0.1:5432 }' })
    .optional(),
  passthrough: z
    .strictObject({
      backend: option(anything, {
        description:
          'The TLS connection itself goes there unread, chosen by server name: a `tcp` URL or `unix:/path`, a name, or options. Owns its hosts whole.',
        unit: 'URL, name or mapping',
        example: 'tcp://10.0.0.5:443',
      }),
    })
    .meta({ example: '{ backend: tcp://10.0.0.5:443 }' })
    .optional(),
  rewrite: rewriteSchema.meta({ example: '{ stripPrefix: true }' }).optional(),
  hostHeader: option(authority, {
    description: 'Host header for the backend.',
    unit: 'host, with a port where it needs one',
    default: "the client's",
    example: 'app.internal',
  }).optional(),
  requestHeaders: changes('request', requestHeaderName).meta({ example: '{ set: { x-team: shop } }' }).optional(),
  responseHeaders: changes('response', headerName).meta({ example: '{ remove: [server] }' }).optional(),
  http: option(oneOf(['redirect', 'serve']), {
    description: 'Over plain http: lead to https (308), or serve the route there, too.',
    unit: '`redirect` or `serve`',
    default: 'redirect',
    example: 'serve',
  }).default('redirect'),
  automaticCertificate: option(boolean, {
    description: 'Whether hosts that no certificate covers get one; false where a source brings it.',
    unit: 'true or false',
    default: 'true; false with `passthrough`',
    example: 'false',
  }).optional(),
});

export type RouteInput = z.output<typeof routeSchema>;
