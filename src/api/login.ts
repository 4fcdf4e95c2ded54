/** Logging in by a one-time link, and what all ways to log in have in common. */
import type { Request, RequestHandler, Response } from 'express';
import type { LoginLinks } from '../access/login-links.ts';
import type { LoginLimiter } from '../access/login-limiter.ts';
import { sessionCookie } from '../access/session-cookie.ts';
import type { Sessions } from '../access/sessions.ts';
import { CertplaneError } from '../core/errors.ts';
import { timeText } from '../core/time-text.ts';
import { cookiePlace } from './cookie-place.ts';
import { messagePage } from './message-page.ts';

/** Whose attempts are counted together. Behind the terminator it is the client's address, not the terminator's. */
export function loginAddress(request: Request): string {
  return request.ip ?? 'local';
}

/** Throws `api.too-many-attempts`. */
export function assertMayTry(limiter: LoginLimiter, address: string): void {
  const retryAt = limiter.blockedUntil(address);
  if (retryAt === undefined) return;
  const message = 'There were too many failed logins from this address. Wait and try again.';
  throw new CertplaneError('api.too-many-attempts', message, { retryAt });
}

export interface LoginLinkDeps {
  readonly loginLinks: LoginLinks;
  readonly sessions: Sessions;
  readonly limiter: LoginLimiter;
}

/** GET /login?code=…: sets the cookie and goes to the front page. Without a code the page's own login form answers. */
export function loginLinkHandler({ loginLinks, sessions, limiter }: LoginLinkDeps): RequestHandler {
  return (request, response, next) => {
    const { code } = request.query;
    if (code === undefined || !isFollowed(request)) return next();
    const address = loginAddress(request);
    const retryAt = limiter.blockedUntil(address);
    if (retryAt !== undefined) {
      response.setHeader('retry-after', new Date(retryAt).toUTCString());
      sendPage(response, 429, 'There were too many failed logins', [
        `Logins from this address are tried again after ${timeText(retryAt)}.`,
        'The command line on the machine itself works meanwhile.',
      ]);
      return;
    }
    const role = typeof code === 'string' && code.length <= 100 ? loginLinks.consume(code) : undefined;
    if (role === undefined) {
      limiter.noteFailure(address);
      sendPage(response, 401, 'This login link does not work any more', [
        'A link is good for one login within ten minutes of its making.',
        'Log in with a token instead: "certplane token create" makes one. Starting Certplane again prints a new link.',
      ]);
      return;
    }
    limiter.noteSuccess(address);
    const secret = sessions.open({ role, actor: 'session' });
    response.setHeader('set-cookie', sessionCookie(secret, cookiePlace(request)));
    response.setHeader('cache-control', 'no-store');
    response.redirect(303, '/');
  };
}

/**
 * A person opens it. A preview must not use the link up, and what another page loads (an image, a frame) is no attempt:
 * any page could lock its readers out of their own Certplane that way. Programs send none of these headers.
 */
function isFollowed({ method, headers }: Request): boolean {
  const { 'sec-purpose': purpose, 'sec-fetch-dest': destination = 'document' } = headers;
  return method === 'GET' && purpose === undefined && destination === 'document';
}

function sendPage(response: Response, status: number, title: string, paragraphs: readonly string[]): void {
  response.status(status).setHeader('cache-control', 'no-store').type('html').send(messagePage(title, paragraphs));
}
