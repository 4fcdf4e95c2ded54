import type { Request } from 'express';
import { CertplaneError } from '../../core/errors.ts';
import type { LoginLimiter } from '../../access/login-limiter.ts';
import { expiredSessionCookie, readSessionCookie, sessionCookie } from '../../access/session-cookie.ts';
import type { Sessions } from '../../access/sessions.ts';
import type { Tokens } from '../../access/tokens.ts';
import { sessionSchema } from '../contract/overview.ts';
import { createTokenSchema, createdTokenSchema, loginSchema, tokenListSchema } from '../contract/requests.ts';
import { cookiePlace } from '../cookie-place.ts';
import { assertMayTry, loginAddress } from '../login.ts';
import { presentToken } from '../overview.ts';
import { route, type Route } from '../route.ts';

export interface AccessRoutesDeps {
  readonly tokens: Tokens;
  readonly sessions: Sessions;
  readonly limiter: LoginLimiter;
}

export function accessRoutes(deps: AccessRoutesDeps): readonly Route[] {
  return [...sessionRoutes(deps), ...tokenRoutes(deps)];
}

function sessionRoutes({ tokens, sessions, limiter }: AccessRoutesDeps): readonly Route[] {
  const closePresent = (request: Request): void => {
    const present = readSessionCookie(request.headers.cookie, cookiePlace(request));
    if (present !== undefined) sessions.close(present);
  };
  return [
    route({
      method: 'get',
      path: '/session',
      summary: 'Who is asking, and with which role.',
      access: 'viewer',
      status: 200,
      answer: sessionSchema,
      errors: [],
      handle: ({ caller, actor }) => ({ role: caller?.role ?? 'viewer', actor }),
    }),
    route({
      method: 'post',
      path: '/session',
      summary: 'Log in with a token; the answer sets the session cookie.',
      access: 'public',
      body: loginSchema,
      status: 200,
      answer: sessionSchema,
      errors: ['access.token-invalid', 'api.too-many-attempts'],
      handle: async ({ body, signal, http: { request, response } }) => {
        const address = loginAddress(request);
        assertMayTry(limiter, address);
        const record = await tokens.verify(body.token.trim(), signal);
        if (record === undefined) {
          limiter.noteFailure(address);
          throw new CertplaneError('access.token-invalid', 'This token is unknown, expired or revoked.');
        }
        limiter.noteSuccess(address);
        closePresent(request);
        const actor = `token:${record.id}`;
        const { id: tokenId, role, expiresAt } = record;
        const secret = sessions.open({ role, actor, tokenId, expiresAt });
        response.setHeader('set-cookie', sessionCookie(secret, cookiePlace(request)));
        return { role, actor };
      },
    }),
    route({
      method: 'delete',
      path: '/session',
      summary: 'Log out.',
      access: 'public',
      status: 204,
      errors: [],
      handle: ({ http: { request, response } }) => {
        closePresent(request);
        response.setHeader('set-cookie', expiredSessionCookie(cookiePlace(request)));
        return undefined;
      },
    }),
  ];
}

function tokenRoutes({ tokens, sessions }: AccessRoutesDeps): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/tokens',
      summary: 'API tokens, newest first; never the tokens themselves.',
      access: 'admin',
      status: 200,
      answer: tokenListSchema,
      errors: [],
      handle: async ({ signal }) => ({ items: (await tokens.list(signal)).map(presentToken) }),
    }),
    route({
      method: 'post',
      path: '/tokens',
      summary: 'Create an API token. The answer is the only place where it is ever shown.',
      access: 'admin',
      body: createTokenSchema,
      status: 201,
      answer: createdTokenSchema,
      errors: ['store.unavailable'],
      handle: async ({ body, actor, signal }) => {
        const { token, record } = await tokens.create({ ...body, actor }, signal);
        return { ...presentToken(record), token };
      },
    }),
    route({
      method: 'delete',
      path: '/tokens/{id}',
      summary: 'Revoke a token and end the sessions opened with it.',
      access: 'admin',
      status: 204,
      errors: ['store.not-found', 'store.unavailable'],
      handle: async ({ id, actor, signal }) => {
        await tokens.revoke(id, actor, signal);
        sessions.closeOfToken(id);
      },
    }),
  ];
}
