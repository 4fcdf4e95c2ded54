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

for (const step of [...acmeSteps, ...completionSteps]) {
  const title = `never (§5.4): killed right after the step "${step}" is kept, the order is resumed and nothing is ordered twice`;
  test(title, { skip }, async () => {
    const place = await site();
    await using pebble = await startPebble({ httpPort: place.http });
    await using certplane = await startCertplane({
      configYaml: configFor(place, pebble),
      waitReady: false,
      env: { NODE_OPTIONS: `--import=${preload}`, KILL_AT_STEP: step, KILL_ONCE: 'killed' },
    });
    await until(() => existsSync(join(certplane.dir, 'killed')), { timeoutMs: 30_000, what: `the step ${step}` });
    await ready(certplane, `the certificate after the kill at ${step}`);
    assert.equal(pebble.ordersCreated(), 1);
    assert.equal(pebble.certificatesIssued(), 1);
  });
}
