/** What a request is told to have come through when it leaves here: RFC 7239, RFC 9110 §7.6.3, and X-Forwarded-*. */

/** How we call ourselves in Via. */
export const pseudonym = 'certplane';

interface Ends {
  readonly protocol: 'https' | 'http';
  readonly address: string;
}

export class Hop {
  readonly authority: string;
  readonly version: string;
  readonly address: string;
  /** The port the client thinks it has reached. */
  readonly port: string;
  /** One element (RFC 7239 §4). */
  readonly forwarded: string;
  readonly via: string;
  /** All of it for a request that says nothing of the kind itself. */
  readonly headers: readonly string[];

  /** `authority`: as it was checked, so there is no character in it that would need escaping. */
  constructor({ protocol, address }: Ends, authority: string, version: string) {
    this.authority = authority;
    this.version = version;
    this.address = address === '' ? 'unknown' : address;
    this.port = portIn(authority) ?? (protocol === 'https' ? '443' : '80');
    const node = address.includes(':') ? `"[${address}]"` : this.address;
    this.forwarded = `for=${node};host="${authority}";proto=${protocol}`;
    this.via = `${version} ${pseudonym}`;
    const all = {
      'X-Forwarded-For': this.address,
      'X-Forwarded-Proto': protocol,
      'X-Forwarded-Host': authority,
      'X-Forwarded-Port': this.port,
      Forwarded: this.forwarded,
      Via: this.via,
    };
    this.headers = Object.entries(all).flat();
  }
}

function portIn(authority: string): string | undefined {
  const colon = authority.lastIndexOf(':');
  return colon > authority.lastIndexOf(']') && colon < authority.length - 1 ? authority.slice(colon + 1) : undefined;
}
