import { hostOfAuthority } from '../../core/names.ts';

const shape = /^(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{0,5})?$/;

/**
 * The host of a Host header or :authority (RFC 9110 §7.2), lower-case, without port; undefined when it is malformed.
 * Backends get the authority as it came, so nothing passes that another reader could take for another host.
 */
export function parseAuthority(authority: string): string | undefined {
  return shape.test(authority) ? hostOfAuthority(authority) : undefined;
}
