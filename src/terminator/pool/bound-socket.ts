import * as net from 'node:net';
import { CertplaneError } from '../../core/errors.ts';
import type { ListenAddress } from '../../core/terminator.ts';

/** A bound TCP socket as node hands it to a child process and `server.listen` takes it. */
interface TcpHandle {
  close(done?: () => void): void;
  getsockname(out: { address?: string; port?: number }): number;
}

interface NetInternals {
  _createServerHandle(
    address: string | undefined,
    port: number | undefined,
    family: 4 | 6 | undefined,
    fd: number,
    flags: number,
  ): TcpHandle | number;
}

const internals = net as unknown as NetInternals;

/** libuv's negative errno when it cannot. */
type OpenHandle = (host: string, port: number, family: 4 | 6) => TcpHandle | number;

/** libuv's UV_TCP_REUSEPORT. */
const reusePort = 2;

const openAlone: OpenHandle = (host, port, family) => internals._createServerHandle(host, port, family, -1, 0);
const openBeside: OpenHandle = (host, port, family) => internals._createServerHandle(host, port, family, -1, reusePort);

export const protocols = ['https', 'http'] as const;
export type Protocol = (typeof protocols)[number];

export interface PassedSocket {
  readonly handle: TcpHandle;
  readonly address: ListenAddress;
}

/** EAFNOSUPPORT and EADDRNOTAVAIL, on Linux and on macOS. */
const withoutIpv6: ReadonlySet<number> = new Set([-97, -47, -99, -49]);

/**
 * A bound socket that the supervisor owns and never accepts from. Workers get duplicates and call listen on them, so
 * connections that wait in its backlog outlive any worker. Neither `net.Server` (accepts at once) nor `net.BoundSocket`
 * (can be handed over only once) can do that; this is the call that node:cluster uses for the same purpose.
 */
export class BoundSocket {
  readonly handle: TcpHandle;
  readonly protocol: Protocol;
  readonly address: ListenAddress;
  /** The real one, where the address says 0. */
  readonly port: number;
  #passed = false;

  private constructor(handle: TcpHandle, protocol: Protocol, address: ListenAddress) {
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

  /** An address for itself. Throws `terminator.address-in-use` or `terminator.address-forbidden`. */
  static bind(protocol: Protocol, address: ListenAddress, open: OpenHandle = openAlone): BoundSocket {
    const { host, port } = address;
    const handle = open(host, port, host.includes(':') ? 6 : 4);
    if (typeof handle === 'number') {
      // "Every address" on a machine without IPv6 is every address of IPv4.
      if (host === '::' && withoutIpv6.has(handle)) return BoundSocket.bind(protocol, { host: '0.0.0.0', port }, open);
      throw bindError(handle, address);
    }
    return new BoundSocket(handle, protocol, address);
  }

  /** An address that further sockets of this user may have as well: the kernel spreads connections over them. */
  static bindBeside(protocol: Protocol, address: ListenAddress): BoundSocket {
    return BoundSocket.bind(protocol, address, openBeside);
  }

  /** A socket that this process was started with. It is kept open when it is closed here: it could not be had again. */
  static adopt(protocol: Protocol, { handle, address }: PassedSocket): BoundSocket {
    const socket = new BoundSocket(handle, protocol, address);
    socket.#passed = true;
    return socket;
  }

  /** `https://127.0.0.1:8443` */
  get url(): string {
    const { host } = this.address;
    return `${this.protocol}://${host.includes(':') ? `[${host}]` : host}:${this.port}`;
  }

  close(): void {
    if (!this.#passed) this.handle.close();
  }
}

/** What a file descriptor is bound to; undefined for what is no TCP socket that could be listened on. */
export function openDescriptor(fd: number): PassedSocket | undefined {
  const handle = internals._createServerHandle(undefined, undefined, undefined, fd, 0);
  if (typeof handle === 'number') return undefined;
  const { address: host, port }: { address?: string; port?: number } = nameOf(handle);
  if (host !== undefined && port !== undefined && port > 0) return { handle, address: { host, port } };
  handle.close();
  return undefined;
}

function nameOf(handle: Partial<TcpHandle>): { address?: string; port?: number } {
  const name: { address?: string; port?: number } = {};
  return handle.getsockname?.(name) === 0 ? name : {}; // a unix socket's handle has no such method
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
