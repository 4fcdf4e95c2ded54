/** Who asks. `admin` may do everything the API offers, `viewer` may only look. */
export type Role = 'admin' | 'viewer';

export interface Caller {
  readonly role: Role;
  /** As history shows it: `cli` (the admin socket), `session` (a login link), `token:<id>`. */
  readonly actor: string;
  /** The request came over the admin socket, from the same user on the same machine. */
  readonly local: boolean;
}

/** Everything that arrives over the admin socket: the socket's permissions are the authentication. */
export const localCaller: Caller = { role: 'admin', actor: 'cli', local: true };
