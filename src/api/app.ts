/** The express app: who may reach it, the API, the login link, the page, and what an error looks like. */
import type { IncomingMessage } from 'node:http';
import express, { type ErrorRequestHandler, type Express } from 'express';
import type { LoginLimiter } from '../access/login-limiter.ts';
import type { LoginLinks } from '../access/login-links.ts';
import type { Sessions } from '../access/sessions.ts';
import type { Log } from '../core/ports/log.ts';
import { toProblem } from './errors.ts';
import { loginLinkHandler } from './login.ts';
import { apiPrefix } from './contract/prefix.ts';
import { createRouter, type RouterDeps } from './router.ts';
import { securityHeaders } from './security-headers.ts';
import { staticUi } from './static-ui.ts';

export interface AppDeps extends RouterDeps {
  readonly webDir: string;
  /** Throws `api.origin-refused`. */
  readonly checkHost: (request: IncomingMessage) => void;
  readonly loginLinks: LoginLinks;
  readonly sessions: Sessions;
  readonly limiter: LoginLimiter;
  readonly log: Log;
}

export function createApp(deps: AppDeps): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  // The only proxy that reaches us is on this machine: the terminator.
  app.set('trust proxy', 'loopback');
  app.use(securityHeaders());
  app.use((request, _response, next) => {
    deps.checkHost(request);
    next();
  });
  app.use(apiPrefix, (_request, response, next) => {
    response.setHeader('cache-control', 'no-store');
    next();
  });
  app.use(apiPrefix, createRouter(deps));
  app.get('/login', loginLinkHandler(deps));
  app.use(staticUi(deps.webDir));
  app.use(problemHandler(deps.log));
  return app;
}

/** Four parameters: that is how express tells an error handler from the others. */
function problemHandler(log: Log): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    const problem = toProblem(error);
    if (problem.code === 'internal.unexpected') {
      log.error('A request failed unexpectedly.', { method: request.method, path: request.path, error });
    }
    if (response.headersSent) {
      response.destroy();
      return;
    }
    if (problem.status === 401) response.setHeader('www-authenticate', 'Bearer realm="certplane"');
    if (problem.retryAt !== undefined) response.setHeader('retry-after', new Date(problem.retryAt).toUTCString());
    response.setHeader('cache-control', 'no-store');
    response.status(problem.status).type('application/problem+json').send(JSON.stringify(problem));
  };
}
