import type { Socket } from 'node:net';

/**
 * Closes a TCP socket at once, with a reset where that can still be sent. Node's own `resetAndDestroy` first waits until
 * everything is written, which may be never, and a socket that is destroyed while its end is on its way is lost to it: it
 * fails with EINVAL, stays open and never emits `close`.
 */
export function resetNow(socket: Socket): void {
  if (!socket.destroyed && !socket.writableEnded) socket.resetAndDestroy();
  socket.destroy();
}
