import { startPeer, type PeerOptions, type PeerServer } from './peer-server.ts';

/** hitch refuses to run its workers as root, and looks for staples in a directory that only an installed one has. */
export async function startHitch(options: PeerOptions): Promise<PeerServer> {
  const user = process.getuid?.() === 0 ? 'user = "nobody"\ngroup = "nogroup"\n' : '';
  return await startPeer(
    'hitch',
    { ...options, config: `ocsp-dir = ""\n${user}${options.config}` },
    { configFile: 'hitch.conf', args: (file) => [`--config=${file}`] },
  );
}
