/** Sockets that this process was started with: systemd's socket activation (sd_listen_fds(3)). */
import type { ListenAddress } from '../../core/terminator.ts';
import { BoundSocket, openDescriptor, protocols, type PassedSocket, type Protocol } from './bound-socket.ts';

/** The first descriptor that is passed. */
const firstDescriptor = 3;
const mostSockets = 1_024;

/** What the environment says about passed sockets. */
export interface Activation {
  /** From descriptor 3 on. */
  readonly count: number;
  /** `FileDescriptorName=` of each, where they are told. */
  readonly names: readonly string[];
}

/**
 * Undefined where nothing is passed; `pids`: the processes that it may be meant for. The variables go, so that no child
 * takes the sockets for its own.
 */
export function takeActivation(env: NodeJS.ProcessEnv, pids: readonly number[]): Activation | undefined {
  const { LISTEN_PID: pid, LISTEN_FDS: fds, LISTEN_FDNAMES: names } = env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  const count = Number(fds ?? '');
  if (!pids.includes(Number(pid ?? '')) || !Number.isInteger(count) || count < 1 || count > mostSockets)
    return undefined;
  return { count, names: names === undefined || names === '' ? [] : names.split(':') };
}

/** For a child that gets the same descriptors. It finds its parent's process id, because its own is not known before it runs. */
export function activationVariables({ count, names }: Activation): Record<string, string> {
  const fdNames = names.length === 0 ? {} : { LISTEN_FDNAMES: names.join(':') };
  return { LISTEN_PID: String(process.pid), LISTEN_FDS: String(count), ...fdNames };
}

export function descriptors({ count }: Activation): number[] {
  return Array.from({ length: count }, (_, i) => firstDescriptor + i);
}

interface Passed extends PassedSocket {
  /** Absent where the name is none of ours: then the address alone says what it is for. */
  readonly protocol: Protocol | undefined;
}

/** They are kept open whatever the configuration says, because they could not be had again. */
export class PassedSockets {
  /** Descriptors that are no TCP sockets. */
  readonly unusable: readonly number[];
  readonly #sockets: readonly Passed[];

  constructor(activation: Activation, open: (fd: number) => PassedSocket | undefined = openDescriptor) {
    const sockets: Passed[] = [];
    const unusable: number[] = [];
    for (const [i, fd] of descriptors(activation).entries()) {
      const socket = open(fd);
      const name = activation.names[i];
      const protocol = name === 'https' || name === 'http' ? name : undefined;
      if (socket === undefined) unusable.push(fd);
      else sockets.push({ ...socket, protocol });
    }
    this.#sockets = sockets;
    this.unusable = unusable;
  }

  /** All that were passed for the address, or undefined: then it has to be opened. */
  take(protocol: Protocol, address: ListenAddress): readonly BoundSocket[] | undefined {
    const found = this.#sockets.filter((one) => isFor(one, protocol, address));
    return found.length === 0 ? undefined : found.map((one) => BoundSocket.adopt(protocol, one));
  }

  /** Those that are for none of the addresses. Connections to them wait for an answer that never comes. */
  unused(wanted: Readonly<Record<Protocol, readonly ListenAddress[]>>): readonly ListenAddress[] {
    const isWanted = (one: Passed): boolean =>
      protocols.some((protocol) => wanted[protocol].some((address) => isFor(one, protocol, address)));
    return this.#sockets.filter((one) => !isWanted(one)).map(({ address }) => address);
  }
}

function isFor({ protocol: only, address: bound }: Passed, protocol: Protocol, address: ListenAddress): boolean {
  return (only === undefined || only === protocol) && isSame(bound, address);
}

/** "Every address" is the same for both families: a socket of IPv6 takes connections of IPv4, too. */
function isSame(a: ListenAddress, b: ListenAddress): boolean {
  return a.port === b.port && (a.host === b.host || (isEverything(a.host) && isEverything(b.host)));
}

function isEverything(host: string): boolean {
  return host === '::' || host === '0.0.0.0';
}
