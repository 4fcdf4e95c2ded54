/**
 * Loaded into the real program with `NODE_OPTIONS=--import`: ends it with SIGKILL right after an order has reached the step
 * named by KILL_AT_STEP, or as soon as the CA answers a request whose path KILL_AT_ANSWER matches, before anything of the
 * answer can be kept; once (the file KILL_ONCE is made first). Steps and answers are published on diagnostics channels.
 */
import { subscribe } from 'node:diagnostics_channel';
import { writeFileSync } from 'node:fs';

const step = process.env['KILL_AT_STEP'];
const answer = process.env['KILL_AT_ANSWER'];
const once = process.env['KILL_ONCE'];

function kill(): void {
  try {
    writeFileSync(once ?? '', `${process.pid}\n`, { flag: 'wx' });
  } catch {
    return; // it has been killed once
  }
  process.kill(process.pid, 'SIGKILL');
}

if (step !== undefined) {
  subscribe('certplane:order:step', (message) => {
    if ((message as { step: string }).step === step) kill();
  });
}

if (answer !== undefined) {
  subscribe('undici:request:headers', (message) => {
    const { request, response } = message as { request: { path: string }; response: { statusCode: number } };
    // A nonce that was refused is no answer to the request.
    if (response.statusCode < 400 && request.path.startsWith(answer)) kill();
  });
}
