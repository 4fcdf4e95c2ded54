import { startPeer, type PeerOptions, type PeerServer } from './peer-server.ts';

export async function startHaproxy(options: PeerOptions): Promise<PeerServer> {
  return await startPeer('haproxy', options, { configFile: 'haproxy.cfg', args: (file) => ['-db', '-f', file] });
}
