/**
 * Loaded into the real program with `NODE_OPTIONS=--import`: ends it with SIGKILL right after an order has reached the step
 * named by KILL_AT_STEP, once (the file KILL_ONCE is made first). The program publishes its steps on a diagnostics channel.
 */
import { subscribe } from 'node:diagnostics_channel';
import { writeFileSync } from 'node:fs';

const step = process.env['KILL_AT_STEP'];
const once = process.env['KILL_ONCE'];

if (step !== undefined && once !== undefined) {
  subscribe('certplane:order:step', (message) => {
    if ((message as { step: string }).step !== step) return;
    try {
      writeFileSync(once, `${process.pid}\n`, { flag: 'wx' });
    } catch {
      return; // it has been killed once
    }
    process.kill(process.pid, 'SIGKILL');
  });
}
