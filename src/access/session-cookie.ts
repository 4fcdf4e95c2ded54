/** The session cookie (RFC 6265): never readable by scripts, never sent from another site. */

const name = 'certplane_session';
const value = /^[A-Za-z0-9_-]{43}$/;

/** The session's secret in a Cookie header, if there is one of the right form. */
export function readSessionCookie(header: string | undefined): string | undefined {
  if (header === undefined || header.length > 8_192) return undefined;
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=');
    if (equals < 0 || pair.slice(0, equals).trim() !== name) continue;
    const secret = pair.slice(equals + 1).trim();
    if (value.test(secret)) return secret;
  }
  return undefined;
}

/** Set-Cookie. Without Max-Age it goes with the browser; the server ends the session after its idle time in any case. */
export function sessionCookie(secret: string, { secure }: { secure: boolean }): string {
  return `${name}=${secret}; Path=/; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`;
}

export function expiredSessionCookie({ secure }: { secure: boolean }): string {
  return `${name}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0${secure ? '; Secure' : ''}`;
}
