/** The real program is killed after each step of an order, the steps taken from the state machine's own list. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { acmeSteps } from '../../src/issue/acme-state.ts';
import { completionSteps } from '../../src/state/steps.ts';
import { configFor, ready } from '../e2e/shop.ts';
import { site } from '../e2e/site.ts';
import { startCertplane } from '../support/certplane.ts';
import { startPebble } from '../support/pebble.ts';
import { missingTools } from '../support/tools.ts';
import { until } from '../support/until.ts';

const skip = await missingTools('pebble', 'pebble-challtestsrv');
const preload = join(import.meta.dirname, '..', 'support', 'kill-at-step.ts');

/** Kills control once at that point, and sees that what it comes back with is the one order and the one certificate. */
async function killedAt(point: NodeJS.ProcessEnv, what: string): Promise<void> {
  const place = await site();
  await using pebble = await startPebble({ httpPort: place.http });
  await using certplane = await startCertplane({
    configYaml: configFor(place, pebble),
    waitReady: false,
    env: { NODE_OPTIONS: `--import=${preload}`, KILL_ONCE: 'killed', ...point },
  });
  await until(() => existsSync(join(certplane.dir, 'killed')), { timeoutMs: 30_000, what });
  await ready(certplane, `the certificate after the kill at ${what}`);
  assert.equal(pebble.ordersCreated(), 1);
  assert.equal(pebble.certificatesIssued(), 1);
}

for (const step of [...acmeSteps, ...completionSteps]) {
  const title = `never (§5.4): killed right after the step "${step}" is kept, the order is resumed and nothing is ordered twice`;
  test(title, { skip }, async () => await killedAt({ KILL_AT_STEP: step }, `the step ${step}`));
}

for (const [what, path] of [
  ['newAccount', '/sign-me-up'],
  ['newOrder', '/order-plz'],
  ['finalize', '/finalize-order/'],
  ['the download', '/certZ/'],
] as const) {
  const title = `never (§5.4): killed before the CA's answer to ${what} can be kept, it finds what the CA has made and nothing is ordered twice`;
  test(title, { skip }, async () => await killedAt({ KILL_AT_ANSWER: path }, what));
}
