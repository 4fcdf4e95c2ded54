/** A route as data: the router serves it, the OpenAPI document describes it, the tests walk it. */
import type { Request, Response } from 'express';
import type { z } from 'zod';
import type { Caller } from '../access/caller.ts';
import type { ErrorCode } from '../core/errors.ts';

/** `public`: anybody. `viewer`, `admin`: that role. `local`: the admin socket only. */
export type Access = 'public' | 'viewer' | 'admin' | 'local';

/** Given back by a handler that has answered by itself. */
export const answered = Symbol('answered');

export interface RouteRequest<Query, Body> {
  readonly id: string;
  readonly query: Query;
  readonly body: Body;
  /** Undefined on public routes only. */
  readonly caller: Caller | undefined;
  readonly actor: string;
  /** Ends with the server and with the client's connection. */
  readonly signal: AbortSignal;
  readonly http: { readonly request: Request; readonly response: Response };
}

export interface RouteDefinition<Query, Body, Answer> {
  readonly method: 'get' | 'post' | 'delete';
  /** Below /api/v1, as OpenAPI writes it; `{id}` is the only parameter there is. */
  readonly path: string;
  readonly summary: string;
  readonly access: Access;
  readonly query?: z.ZodType<Query>;
  readonly body?: z.ZodType<Body>;
  readonly status: 200 | 201 | 202 | 204;
  readonly answer?: z.ZodType<Answer>;
  /** Of the answer; `application/json` unless told. */
  readonly mediaType?: string;
  /** Codes beyond those every route can give. */
  readonly errors: readonly ErrorCode[];
  handle(request: RouteRequest<Query, Body>): Promise<Answer | typeof answered> | Answer | typeof answered;
}

/** A route with its types forgotten; what arrives has been validated against its schemas. */
export type Route = RouteDefinition<unknown, unknown, unknown>;

export function route<Query = undefined, Body = undefined, Answer = undefined>(
  definition: RouteDefinition<Query, Body, Answer>,
): Route {
  return definition;
}
