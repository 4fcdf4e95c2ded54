import { BlockList, isIP, isIPv4 } from 'node:net';

/** The address without a zone, and an IPv4 client of a dual-stack socket as what it is. */
export function plainAddress(address: string): string {
  if (!address.includes(':')) return address; // most clients of most listeners
  const zone = address.indexOf('%');
  const bare = zone < 0 ? address : address.slice(0, zone);
  const embedded = mapped.exec(bare)?.[1];
  return embedded !== undefined && isIPv4(embedded) ? embedded : bare;
}

const mapped = /^::ffff:([0-9.]+)$/i;

/** Addresses in CIDR notation (`10.0.0.0/8`, `fd00::/8`); a lone address is a network of one. They have been checked. */
export class Networks {
  readonly #list = new BlockList();
  readonly #empty: boolean;

  constructor(cidrs: readonly string[]) {
    this.#empty = cidrs.length === 0;
    for (const cidr of cidrs) {
      const [address = '', bits] = cidr.split('/');
      const family = isIPv4(address) ? 'ipv4' : 'ipv6';
      this.#list.addSubnet(address, Number(bits ?? (family === 'ipv4' ? 32 : 128)), family);
    }
  }

  /** `address`: as `plainAddress` gives it; what is none (a unix socket's) is in no network. */
  has(address: string): boolean {
    if (this.#empty) return false;
    const version = isIP(address);
    return version !== 0 && this.#list.check(address, version === 4 ? 'ipv4' : 'ipv6');
  }
}

/** Whom a limit per client counts: an IPv4 address, or the /64 that an IPv6 client can choose its address from. */
export function clientOf(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const back = tail === '' ? 0 : tail.split(':').length + (tail.includes('.') ? 1 : 0);
    for (let missing = 8 - groups.length - back; missing > 0; missing -= 1) groups.push('0');
    if (groups.length < 4) groups.push(...tail.split(':'));
  }
  return `${groups
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''))
    .join(':')}/64`;
}
