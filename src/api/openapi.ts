/** The OpenAPI 3.1 document, made from the same route data the router serves. */
import { z } from 'zod';
import { createDocument, type ZodOpenApiOperationObject } from 'zod-openapi';
import type { ErrorCode } from '../core/errors.ts';
import { problemSchema } from './contract/overview.ts';
import { apiPrefix } from './contract/prefix.ts';
import { statusOf } from './errors.ts';
import { route, type Access, type Route } from './route.ts';

const accessSentences: Readonly<Record<Access, string>> = {
  public: 'Needs no login.',
  viewer: 'For every login and token.',
  admin: 'For the role admin.',
  local: 'Over the admin socket only.',
};

export type OpenApiDocument = ReturnType<typeof createDocument>;

export function openApiDocument(routes: readonly Route[]): OpenApiDocument {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const one of routes) {
    const path = `${apiPrefix}${one.path}`;
    paths[path] = { ...paths[path], [one.method]: operation(one) };
  }
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Certplane',
      version: 'v1',
      description: 'The certificate control plane. Errors are problem documents (RFC 9457) with a stable `code`.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }, { session: [] }],
    paths,
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'A token made by "certplane token create".' },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: '__Host-certplane_session',
          description: 'Set by logging in. Without TLS, on loopback, its name is certplane_session_ and the port.',
        },
      },
    },
  });
}

/** GET /openapi.json; `all` is called when the document is first asked for, this route included. */
export function openApiRoute(all: () => readonly Route[]): Route {
  let document: OpenApiDocument | undefined;
  return route({
    method: 'get',
    path: '/openapi.json',
    summary: 'This document.',
    access: 'public',
    status: 200,
    answer: z.record(z.string(), z.unknown()).meta({ description: 'OpenAPI 3.1' }),
    errors: [],
    handle: () => (document ??= openApiDocument(all())) as unknown as Record<string, unknown>,
  });
}

function operation(one: Route): ZodOpenApiOperationObject {
  const path = one.path.includes('{id}')
    ? z.object({ id: z.string().meta({ description: 'Percent-encoded.' }) })
    : undefined;
  const content =
    one.answer === undefined ? {} : { content: { [one.mediaType ?? 'application/json']: { schema: one.answer } } };
  return {
    operationId: operationId(one),
    summary: one.summary,
    description: accessSentences[one.access],
    ...(one.access === 'public' ? { security: [] } : {}),
    requestParams: {
      ...(path === undefined ? {} : { path }),
      ...(one.query === undefined ? {} : { query: one.query as z.ZodObject }),
    },
    ...(one.body === undefined
      ? {}
      : {
          requestBody: {
            required: !one.body.safeParse({}).success,
            content: { 'application/json': { schema: one.body } },
          },
        }),
    responses: {
      [String(one.status)]: { description: one.status === 204 ? 'Done.' : one.summary, ...content },
      ...errorResponses(one),
      default: problemResponse('Anything else, such as `store.unavailable` or `internal.unexpected`.'),
    },
  };
}

/** `getCertificatesById`, `postCertificatesByIdRenew`. */
function operationId({ method, path }: Route): string {
  const words = path.replace('{id}', 'by-id').split(/[/.-]/).filter(Boolean);
  return method + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

function errorResponses(one: Route): ZodOpenApiOperationObject['responses'] {
  const codes: ErrorCode[] = ['api.invalid-request', 'api.origin-refused', ...one.errors];
  if (one.access !== 'public') codes.push('api.unauthenticated', 'access.token-invalid', 'api.forbidden');
  const byStatus = Map.groupBy(codes, (code) => statusOf[code]);
  return Object.fromEntries(
    [...byStatus].map(([status, all]) => [
      String(status),
      problemResponse(all.map((code) => `\`${code}\``).join(', ')),
    ]),
  );
}

function problemResponse(description: string) {
  return { description, content: { 'application/problem+json': { schema: problemSchema } } };
}
