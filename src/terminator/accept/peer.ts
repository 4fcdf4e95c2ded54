import type { Socket } from 'node:net';
import type { Connection } from '../proxy/exchange.ts';
import { plainAddress, type Networks } from './networks.ts';
import type { ProxiedEnds } from './proxy-header.ts';

/** What is known of a connection before its handshake. */
export type Peer = Omit<Connection, 'tls'>;

export function peerOf(socket: Socket, protocol: 'https' | 'http', proxies: Networks): Peer {
  const address = plainAddress(socket.remoteAddress ?? '');
  return {
    protocol,
    address,
    port: socket.remotePort ?? 0,
    localAddress: plainAddress(socket.localAddress ?? ''),
    localPort: socket.localPort ?? 0,
    trusted: proxies.has(address),
  };
}

/** The client that a trusted proxy speaks for. That client may be a trusted proxy, too. */
export function proxiedPeer(ends: ProxiedEnds, protocol: 'https' | 'http', proxies: Networks): Peer {
  return { protocol, ...ends, trusted: proxies.has(ends.address) };
}
