/** The session cookie (RFC 6265): never readable by scripts, never sent from another site. */

const baseName = 'certplane_session';
const value = /^[A-Za-z0-9_-]{43}$/;

/** How the browser reached the page. */
export interface CookiePlace {
  readonly secure: boolean;
  /** Of the listener. */
  readonly port: number;
}

/**
 * Cookies know no ports: on loopback the name tells apart whoever else is there, another Certplane among them. Behind
 * TLS the prefix makes browsers refuse one that a sibling domain or a page without TLS has set (RFC 6265bis §4.1.3.2).
 */
export function sessionCookieName({ secure, port }: CookiePlace): string {
  return secure ? `__Host-${baseName}` : `${baseName}_${port}`;
}

/** The session's secret in a Cookie header, if there is one of the right form. */
export function readSessionCookie(header: string | undefined, place: CookiePlace): string | undefined {
  if (header === undefined || header.length > 8_192) return undefined;
  const name = sessionCookieName(place);
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=');
    if (equals < 0 || pair.slice(0, equals).trim() !== name) continue;
    const secret = pair.slice(equals + 1).trim();
    if (value.test(secret)) return secret;
  }
  return undefined;
}

/** Set-Cookie. Without Max-Age it goes with the browser; the server ends the session after its idle time in any case. */
export function sessionCookie(secret: string, place: CookiePlace): string {
  return `${sessionCookieName(place)}=${secret}; Path=/; HttpOnly; SameSite=Strict${place.secure ? '; Secure' : ''}`;
}

export function expiredSessionCookie(place: CookiePlace): string {
  return `${sessionCookie('', place)}; Max-Age=0`;
}
