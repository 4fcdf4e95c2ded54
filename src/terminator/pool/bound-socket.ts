import * as net from 'node:net';
import { CertplaneError } from '../../core/errors.ts';
import type { ListenAddress } from '../../core/terminator.ts';

/** A bound TCP socket as node hands it to a child process and `server.listen` takes it. */
interface TcpHandle {
  close(done?: () => void): void;
  getsockname(out: { port?: number }): number;
}

interface NetInternals {
  _createServerHandle(address: string, port: number, family: 4 | 6, fd: number, flags: number): TcpHandle | number;
}

/** libuv's negative errno when it cannot. */
type OpenHandle = (host: string, port: number, family: 4 | 6) => TcpHandle | number;

const openHandle: OpenHandle = (host, port, family) =>
  (net as unknown as NetInternals)._createServerHandle(host, port, family, -1, 0);

/** EAFNOSUPPORT and EADDRNOTAVAIL, on Linux and on macOS. */
const withoutIpv6: ReadonlySet<number> = new Set([-97, -47, -99, -49]);

/**
 * A bound socket that the supervisor owns and never accepts from. Workers get duplicates and call listen on them, so
 * connections that wait in its backlog outlive any worker. Neither `net.Server` (accepts at once) nor `net.BoundSocket`
 * (can be handed over only once) can do that; this is the call that node:cluster uses for the same purpose.
 */
export class BoundSocket {
  readonly handle: TcpHandle;
  readonly protocol: 'https' | 'http';
  readonly address: ListenAddress;
  /** The real one, where the address says 0. */
  readonly port: number;

  private constructor(handle: TcpHandle, protocol: 'https' | 'http', address: ListenAddress) {
    this.handle = handle;
    this.protocol = protocol;
    this.address = address;
    const name: { port?: number } = {};
    // libuv keeps EADDRINUSE for later, and listening on such a socket would bind it to a random port.
    const error = handle.getsockname(name);
    if (error === 0 && name.port !== undefined && (address.port === 0 || name.port === address.port)) {
      this.port = name.port;
      return;
    }
    handle.close();
    throw bindError(error === 0 ? 'EADDRINUSE' : error, address);
  }

  /** Throws `terminator.address-in-use` or `terminator.address-forbidden`. */
  static bind(protocol: 'https' | 'http', address: ListenAddress, open: OpenHandle = openHandle): BoundSocket {
    const { host, port } = address;
    const handle = open(host, port, host.includes(':') ? 6 : 4);
    if (typeof handle === 'number') {
      // "Every address" on a machine without IPv6 is every address of IPv4.
      if (host === '::' && withoutIpv6.has(handle)) return BoundSocket.bind(protocol, { host: '0.0.0.0', port }, open);
      throw bindError(handle, address);
    }
    return new BoundSocket(handle, protocol, address);
  }

  /** `https://127.0.0.1:8443` */
  get url(): string {
    const { host } = this.address;
    return `${this.protocol}://${host.includes(':') ? `[${host}]` : host}:${this.port}`;
  }

  close(): void {
    this.handle.close();
  }
}

/** `code` is an errno name, or libuv's negative number. */
export function bindError(code: string | number, { host, port }: ListenAddress): CertplaneError {
  const at = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  if (code === 'EADDRINUSE' || code === -98 || code === -48) {
    return new CertplaneError(
      'terminator.address-in-use',
      `${at} is already in use. Stop the program that listens there, or choose another address.`,
    );
  }
  if (code === 'EACCES' || code === 'EPERM' || code === -13 || code === -1) {
    return new CertplaneError(
      'terminator.address-forbidden',
      `This user may not open ${at}. Use a port above 1023, or grant CAP_NET_BIND_SERVICE.`,
    );
  }
  return new CertplaneError(
    'terminator.address-forbidden',
    `${at} cannot be opened (${code}). Check that the address belongs to this machine.`,
  );
}
