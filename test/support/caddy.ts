import { join } from 'node:path';
import { startPeer, type PeerOptions, type PeerServer } from './peer-server.ts';

/** `config` is a Caddyfile. */
export async function startCaddy(options: PeerOptions): Promise<PeerServer> {
  return await startPeer('caddy', options, {
    configFile: 'Caddyfile',
    args: (file) => ['run', '--adapter', 'caddyfile', '--config', file],
    env: (directory) => ({
      HOME: directory,
      XDG_CONFIG_HOME: join(directory, 'config'),
      XDG_DATA_HOME: join(directory, 'data'),
    }),
  });
}
