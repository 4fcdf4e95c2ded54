import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CertificateDetail } from '../../src/api/contract/certificates.ts';
import type { Locator } from 'playwright-core';
import { missingTools } from '../support/tools.ts';
import { until } from '../support/until.ts';
import { certificate, failingCertificate, serialOf, shortLived } from './fixture-data.ts';
import { assertAccessible } from './accessible.ts';
import { busyWorld, openSite, type Site } from './site.ts';

const needs = { skip: await missingTools('chromium') };
const path = '/certificates/route%2Fhello.localhost';

function renewing(now: number): CertificateDetail {
  const before = shortLived('route/hello.localhost', now, 1);
  return {
    ...before,
    phase: { state: 'renewing', reason: { code: 'requested', message: 'A person asked for it.' } },
    progress: {
      step: 'sign',
      issuer: 'local',
      startedAt: new Date(now).toISOString(),
      waitUntil: null,
      reason: { code: 'requested', message: 'A person asked for it.' },
    },
  };
}

/** In the page, before its own scripts: `window.alive` is how many of these events its listeners have had. */
const countAlive = `
  window.alive = 0;
  const add = EventSource.prototype.addEventListener;
  EventSource.prototype.addEventListener = function (type, listener) {
    add.call(this, type, listener);
    if (type === 'alive') add.call(this, type, () => { window.alive += 1; });
  };`;

async function connected(site: Site): Promise<void> {
  await site.page.locator('.connection[data-state=live]').waitFor();
}

test(
  'a renewal started on the page is seen to run, to finish and to change the serial without a reload',
  needs,
  async () => {
    const now = Date.now();
    const before = shortLived('route/hello.localhost', now, 1);
    const after = shortLived('route/hello.localhost', now, 2);
    await using site = await openSite({ certificates: [before] });
    const { server, page } = site;
    await site.open(path);
    await connected(site);
    assert.equal(await page.getByTestId('serial').innerText(), before.serial);
    await page.evaluate('window.notReloaded = true');

    server.world.onRenew = () => {
      server.change([renewing(now)]);
      return 202;
    };
    await page.getByRole('button', { name: 'Renew now' }).click();
    await page.getByText('Signing').waitFor();
    await page.getByRole('button', { name: 'Renewing' }).waitFor();

    server.change([after]);
    await page.getByText('A new version is in use').waitFor();
    assert.equal(await page.getByTestId('serial').innerText(), after.serial);
    assert.notEqual(after.serial, before.serial);
    assert.match(await page.getByTestId('announcer').innerText(), /hello\.localhost was renewed/);
    assert.equal(await page.evaluate('window.notReloaded'), true);
    assert.deepEqual(site.problems, []);
  },
);

test('a renewal that is already running is answered with the reason', needs, async () => {
  await using site = await openSite({ certificates: [shortLived('route/hello.localhost', Date.now(), 1)] });
  site.server.world.onRenew = () => 409;
  await site.open(path);
  await site.page.getByRole('button', { name: 'Renew now' }).click();
  await site.page.getByText('The renewal was not started: A renewal of this certificate is already running.').waitFor();
});

test('a renewal that fails shows the failure and the document of the certificate authority', needs, async () => {
  const now = Date.now();
  await using site = await openSite({ certificates: [certificate('file/shop', now)] });
  site.server.world.onRenew = () => {
    site.server.change([failingCertificate(now)]);
    return 202;
  };
  await site.open('/certificates/file%2Fshop');
  await connected(site);
  await site.page.getByRole('button', { name: 'Renew now' }).click();
  await site.page.getByText('The renewal failed: The certificate authority could not verify control').waitFor();
  await site.page.getByText('urn:ietf:params:acme:error:unauthorized').waitFor();
  await site.page.getByText('no valid A records found for static.shop.example.com').waitFor();
});

test('a renewal that has to wait says for what', needs, async () => {
  const now = Date.now();
  await using site = await openSite({ certificates: [failingCertificate(now)] });
  await site.open('/certificates/file%2Fshop');
  await site.page.getByRole('button', { name: 'Renew now' }).click();
  await site.page.getByText('The renewal is asked for and waits. After 6 failures in a row, once a day.').waitFor();
});

test('a viewer is not offered to renew', needs, async () => {
  await using site = await openSite({
    certificates: [shortLived('route/hello.localhost', Date.now(), 1)],
    session: { role: 'viewer', actor: 'token:2' },
  });
  await site.open(path);
  await site.page.getByTestId('serial').waitFor();
  assert.equal(await site.page.getByRole('button', { name: 'Renew now' }).count(), 0);
});

test('a change reads again what changed and nothing else', needs, async () => {
  const now = Date.now();
  await using site = await openSite(busyWorld(now));
  await site.open(path);
  await connected(site);
  const own = 'GET /certificates/route%2Fhello.localhost';
  await until(() => site.server.requests.filter((one) => one === own).length === 2, { what: 'the first snapshot' });
  await until(() => site.server.requests.filter((one) => one === 'GET /overview').length === 2, {
    what: 'the overview',
  });
  const before = site.server.requests.length;
  site.server.change([certificate('file/blog', now, { serial: serialOf(77) })], false);
  await until(() => site.server.requests.slice(before).includes('GET /overview'), { what: 'the overview being read' });
  site.server.change([shortLived('route/hello.localhost', now, 3)], false);
  await until(() => site.server.requests.slice(before).some((one) => one.startsWith('GET /certificates/')), {
    what: 'the certificate being read',
  });
  const expected = new Set([
    'GET /overview',
    'GET /certificates/route%2Fhello.localhost',
    'GET /history?certificate=route%2Fhello.localhost&limit=20',
  ]);
  assert.deepEqual(new Set(site.server.requests.slice(before)).difference(expected), new Set());
});

test('the counts of the overview follow the events', needs, async () => {
  const now = Date.now();
  await using site = await openSite({ certificates: [certificate('file/shop', now)] });
  await site.open('/');
  await connected(site);
  await site.page.getByText('Nothing needs a person.').waitFor();
  site.server.change([failingCertificate(now)]);
  await site.page.getByRole('link', { name: 'What to do about shop' }).waitFor();
  await site.page.getByRole('link', { name: 'Overview 1 need a person' }).waitFor();
});

test('a cut connection is shown and comes back by itself', needs, async () => {
  const now = Date.now();
  await using site = await openSite({ certificates: [shortLived('route/hello.localhost', now, 1)] });
  await site.open(path);
  await connected(site);
  site.server.world.broken.set('/events', 503);
  site.server.cut();
  await site.page.getByText('Reconnecting').waitFor();
  const missed = shortLived('route/hello.localhost', now, 5);
  site.server.change([missed]);
  site.server.world.broken.clear();
  await connected(site);
  await site.page
    .getByTestId('serial')
    .filter({ hasText: String(missed.serial) })
    .waitFor();
});

test('a connection that died without a word is noticed and replaced', needs, async () => {
  const now = Date.now();
  await using site = await openSite({ certificates: [certificate('file/shop', now)] });
  await site.page.clock.install();
  await site.open('/');
  await connected(site);
  await site.page.getByText('Nothing needs a person.').waitFor();
  const streams = () => site.server.requests.filter((one) => one === 'GET /events').length;
  assert.equal(streams(), 1);
  site.server.world.certificates = [failingCertificate(now)]; // and no event says so
  await site.page.clock.fastForward(45_000);
  await site.page.getByRole('link', { name: 'What to do about shop' }).waitFor();
  await connected(site);
  assert.equal(streams(), 2);
});

test('a connection on which the server only says that it is alive is left alone', needs, async () => {
  await using site = await openSite({ certificates: [certificate('file/shop', Date.now())] });
  await site.page.clock.install();
  await site.page.addInitScript(countAlive);
  await site.open('/');
  await connected(site);
  for (let beats = 1; beats <= 4; beats += 1) {
    await site.page.clock.fastForward(15_000);
    site.server.alive();
    await until(async () => (await site.page.evaluate('window.alive')) === beats, { what: 'the heartbeat' });
  }
  assert.equal(site.server.requests.filter((one) => one === 'GET /events').length, 1);
});

test(
  'while the control process does not answer the page says so, and goes on by itself once it does',
  needs,
  async () => {
    await using site = await openSite(busyWorld(Date.now()));
    const { page } = site;
    await page.clock.install();
    /** The page asks again after seconds that nobody has to wait for. */
    const inTime = async (what: Locator): Promise<void> =>
      void (await until(
        async () => {
          await page.clock.fastForward(1_000);
          return await what.isVisible();
        },
        { what: String(what) },
      ));
    await page.route('**/api/v1/session', async (route) => await route.abort());
    await page.goto(site.server.url);
    await inTime(page.getByRole('alert').getByText('The control process does not answer.'));
    await assertAccessible(page, 'no answer');
    await page.unroute('**/api/v1/session');
    await inTime(page.getByRole('heading', { name: 'Overview' }));
  },
);

test(
  'a control process that is slow is waited for with words, and one that never answers is not waited for for ever',
  needs,
  async () => {
    await using site = await openSite(busyWorld(Date.now()));
    const { page } = site;
    await page.clock.install();
    await page.route('**/api/v1/session', () => undefined);
    await page.goto(site.server.url);
    await page.getByText('Asking the control process').waitFor();
    await page.clock.fastForward(31_000);
    await page.getByRole('alert').getByText('The control process did not answer within 30 s.').waitFor();
  },
);

test('a session that ends leads to the login, and the token back to the page', needs, async () => {
  await using site = await openSite(busyWorld(Date.now()));
  const { server, page } = site;
  await site.open(path);
  await connected(site);
  server.world.session = null;
  server.cut();
  await page.getByLabel('Token').waitFor();
  await page.locator('input:focus').waitFor();

  await page.getByLabel('Token').fill('wrong');
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('alert').getByText('The token is unknown').waitFor();
  await page.getByLabel('Token').fill('fixture-token');
  await page.getByLabel('Token').press('Enter');
  await page.getByTestId('serial').waitFor();
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByLabel('Token').waitFor();
});
