/** From route data to an express router: who may, what was sent, what is answered. The same order for every route. */
import { json, Router, type Request, type RequestHandler, type Response } from 'express';
import type { Caller } from '../access/caller.ts';
import { CertplaneError } from '../core/errors.ts';
import type { Authenticate } from './authenticate.ts';
import { answered, type Access, type Route } from './route.ts';
import { validate } from './validate.ts';

export interface RouterDeps {
  readonly routes: readonly Route[];
  readonly authenticate: Authenticate;
  /** Aborts when the server stops. */
  readonly stopping: AbortSignal;
  /** Told about every request under way, so that stopping can await it. */
  readonly track: <T>(work: Promise<T>) => Promise<T>;
}

const largestBodyBytes = 16_384;
const longestIdChars = 512;

export function createRouter(deps: RouterDeps): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const readBody = json({ limit: largestBodyBytes, type: 'application/json', inflate: false });
  for (const one of deps.routes) {
    const path = one.path.replace('{id}', ':id');
    router[one.method](path, ...guard(one.access, deps.authenticate), readBody, serve(one, deps));
  }
  router.use((request) => {
    throw new CertplaneError('api.not-found', `There is no ${request.method} ${request.baseUrl}${request.path}.`);
  });
  return router;
}

const callers = new WeakMap<Request, Caller>();

function guard(access: Access, authenticate: Authenticate): RequestHandler[] {
  return [
    async (request, _response, next) => {
      const caller = await authenticate(request);
      if (caller !== undefined) callers.set(request, caller);
      assertAllowed(access, caller, request.headers.authorization !== undefined);
      next();
    },
  ];
}

function assertAllowed(access: Access, caller: Caller | undefined, sentToken: boolean): void {
  if (access === 'public') return;
  if (caller === undefined) {
    if (sentToken) throw new CertplaneError('access.token-invalid', 'The token is unknown, expired or revoked.');
    throw new CertplaneError('api.unauthenticated', 'Log in, or send a token: "Authorization: Bearer cp_…".');
  }
  if (access === 'local' && !caller.local) {
    throw new CertplaneError('api.forbidden', 'This is answered over the admin socket only, on the machine itself.');
  }
  if (access === 'admin' && caller.role !== 'admin') {
    throw new CertplaneError('api.forbidden', 'This login may look but not change anything; an admin token is needed.');
  }
}

function serve(one: Route, deps: RouterDeps): RequestHandler {
  return async (request, response) => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const caller = callers.get(request);
    const work = async (): Promise<unknown> =>
      await one.handle({
        id: readId(request),
        query: validate(one.query, request.query, 'query'),
        body: validate(one.body, readJson(one, request), 'body'),
        caller,
        actor: caller?.actor ?? 'anonymous',
        signal: AbortSignal.any([deps.stopping, gone.signal]),
        http: { request, response },
      });
    const result = await deps.track(work());
    if (result !== answered) send(response, one, result);
  };
}

function send(response: Response, one: Route, result: unknown): void {
  response.status(one.status);
  if (one.status === 204) response.end();
  else response.json(result);
}

function readId(request: Request): string {
  const { id } = request.params as { id?: string };
  if (id !== undefined && id.length > longestIdChars) {
    throw new CertplaneError('api.invalid-request', `An id has at most ${longestIdChars} characters.`);
  }
  return id ?? '';
}

function readJson(one: Route, request: Request): unknown {
  const sent = request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
  if (sent && request.body === undefined) {
    throw new CertplaneError('api.invalid-request', 'The body has to be sent as "Content-Type: application/json".');
  }
  // No body is an empty one: a route whose fields are all optional needs none.
  return one.body === undefined ? request.body : (request.body ?? {});
}
