import type { ListenAddress } from '../../core/terminator.ts';
import { BoundSocket, type Protocol } from './bound-socket.ts';

/**
 * A listening address with its sockets: one for each worker where the kernel can spread connections over several
 * (SO_REUSEPORT). With one socket for all of them, whichever worker wakes up first takes most of the connections.
 * All sockets are the supervisor's: when a worker ends, what waits in its socket stays there for others.
 */
export class BoundAddress {
  readonly protocol: Protocol;
  readonly address: ListenAddress;
  readonly sockets: BoundSocket[];
  /** Further sockets can be opened beside these. */
  #grows: boolean;

  private constructor(sockets: BoundSocket[], grows: boolean) {
    const [{ protocol, address }] = sockets as [BoundSocket];
    this.protocol = protocol;
    this.address = address;
    this.sockets = sockets;
    this.#grows = grows;
  }

  /** Throws `terminator.address-in-use` or `terminator.address-forbidden`. */
  static bind(protocol: Protocol, address: ListenAddress, count: number): BoundAddress {
    // Sockets that share an address would share it with another program of this user, too: first see that there is none.
    const alone = BoundSocket.bind(protocol, address);
    const at = { host: alone.address.host, port: alone.port };
    alone.close();
    let first: BoundSocket;
    try {
      first = BoundSocket.bindBeside(protocol, at);
    } catch {
      return new BoundAddress([BoundSocket.bind(protocol, at)], false); // no such thing on this system
    }
    const bound = new BoundAddress([first], true);
    bound.grow(count);
    return bound;
  }

  /** Sockets that were passed to this process, all of the same address. */
  static adopt(sockets: readonly BoundSocket[]): BoundAddress {
    return new BoundAddress([...sockets], false);
  }

  get port(): number {
    return (this.sockets[0] as BoundSocket).port;
  }

  /** `https://127.0.0.1:8443` */
  get url(): string {
    return (this.sockets[0] as BoundSocket).url;
  }

  /** Opens sockets up to so many, as far as that is possible; workers share what there is. */
  grow(count: number): void {
    const at = { host: this.address.host, port: this.port };
    try {
      while (this.#grows && this.sockets.length < count) this.sockets.push(BoundSocket.bindBeside(this.protocol, at));
    } catch {
      this.#grows = false; // the right to open the port is gone, say: what is open goes on
    }
  }

  close(): void {
    for (const socket of this.sockets) socket.close();
  }
}
