import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missingTools } from '../support/tools.ts';
import { assertAccessible } from './accessible.ts';
import { busyWorld, openSite, type Site } from './site.ts';

const needs = { skip: await missingTools('chromium') };

const pages = [
  '/',
  '/certificates',
  '/certificates/file%2Fshop',
  '/issuers',
  '/terminators',
  '/history',
  '/nowhere',
] as const;

/** The same pages in other states. */
const states = [
  '/certificates?q=nothing-like-this',
  '/certificates/route%2Fapi.example.com',
  '/certificates/route%2F_wildcard.apps.example.com',
  '/certificates/seen%2Fsecrets%3Ashop%2Fold-tls',
  '/certificates/no%2Fsuch',
] as const;

async function settled(site: Site): Promise<void> {
  await site.page.locator('.skeleton, .table-skeleton').first().waitFor({ state: 'detached' });
}

for (const colorScheme of ['light', 'dark'] as const) {
  test(`axe finds nothing on any page (${colorScheme})`, needs, async () => {
    await using site = await openSite(busyWorld(Date.now()), { colorScheme, viewport: { width: 1440, height: 900 } });
    for (const path of colorScheme === 'dark' ? pages : [...pages, ...states]) {
      await site.open(path);
      await settled(site);
      await assertAccessible(site.page, path);
    }
    await site.open('/');
    await site.page.getByRole('radio', { name: 'Table' }).click();
    await site.page.getByRole('table').waitFor();
    await assertAccessible(site.page, 'the timeline as a table');
    await site.open('/certificates');
    await site.page.getByRole('button', { name: /Order/ }).click();
    await site.page.getByRole('listbox').waitFor();
    await assertAccessible(site.page, 'the menu of orders');
    site.server.world.session = null;
    await site.page.goto(site.server.url);
    await site.page.getByLabel('Token').waitFor();
    await assertAccessible(site.page, 'the login');
  });
}

test('at 390 pixels no page scrolls sideways, and axe finds nothing in lists and cards', needs, async () => {
  await using site = await openSite(busyWorld(Date.now()), { viewport: { width: 390, height: 844 } });
  for (const path of [...pages, ...states]) {
    await site.open(path);
    await settled(site);
    const { inner, content } = await site.page.evaluate<{ inner: number; content: number }>(
      '({ inner: document.documentElement.clientWidth, content: document.documentElement.scrollWidth })',
    );
    assert.ok(content <= inner, `${path} is ${content} pixels wide in a window of ${inner}`);
  }
  for (const path of pages.slice(0, 3)) {
    await site.open(path);
    await settled(site);
    await assertAccessible(site.page, path);
  }
});

test('pages load under the content security policy without an error in the console', needs, async () => {
  await using site = await openSite(busyWorld(Date.now()));
  for (const path of pages) {
    await site.open(path);
    await settled(site);
  }
  assert.deepEqual(site.problems, []);
});

test('the keyboard alone goes from the start of the page to a certificate and what to do about it', needs, async () => {
  await using site = await openSite(busyWorld(Date.now()));
  const { page } = site;
  await site.open('/');
  await settled(site);
  await page.keyboard.press('Tab');
  assert.equal(await focused(site), 'Skip to content');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate('document.activeElement.id'), 'main');

  await page.keyboard.press('/');
  await site.address('/certificates#search');
  await page.locator('#search:focus').waitFor();
  await page.keyboard.type('example');
  await site.address('/certificates?q=example');
  await page.getByText('13 matches').waitFor();
  await page.getByRole('link', { name: /legacy-tls/ }).focus();
  await page.keyboard.press('ArrowDown');
  assert.match(await focused(site), /^shop/);
  await page.keyboard.press('Enter');
  await site.address('/certificates/file%2Fshop');
  await page.locator('main:focus').waitFor();

  await page.keyboard.press('/');
  await page.locator('#search:focus').waitFor();
  await page.keyboard.type('a/b');
  await site.address('/certificates?q=a%2Fb');
});

test('"what to do" goes to the reasons, and the first that is not ok is marked with its advice', needs, async () => {
  await using site = await openSite(busyWorld(Date.now()));
  const { page } = site;
  await site.open('/');
  await page.getByRole('link', { name: 'What to do about shop' }).click();
  await site.address('/certificates/file%2Fshop#why');
  await page.locator('#why:focus').waitFor();
  const answer = page.locator('.link[data-answer=true]');
  await answer.getByText('Point checkout.shop.example.com at this terminator').waitFor();
  assert.equal(await answer.count(), 1);
});

test('a terminator that serves another version stands out', needs, async () => {
  await using site = await openSite(busyWorld(Date.now()));
  await site.open('/certificates/route%2Fapi.example.com');
  const other = site.page.locator('[data-mismatch=true]');
  await other.getByText('edge-2').waitFor();
  await other.getByText('Another version').waitFor();
  assert.equal(await other.count(), 1);
});

test('the timeline can be walked by arrow keys and read as a table', needs, async () => {
  await using site = await openSite(busyWorld(Date.now()));
  const { page } = site;
  await site.open('/');
  const slider = page.getByRole('slider', { name: 'Renewals and expiries ahead' });
  await slider.focus();
  assert.match((await slider.getAttribute('aria-valuetext')) ?? '', /: 3 renewals, 2 expiries$/);
  await page.keyboard.press('End');
  assert.match((await slider.getAttribute('aria-valuetext')) ?? '', /: 0 renewals, 1 expiry$/);
  await page.getByRole('radio', { name: 'Table' }).click();
  const first = page.getByRole('table').locator('tbody tr').first();
  assert.deepEqual(await first.locator('td.number').allInnerTexts(), ['3', '2']);
});

test("the chosen colours are kept and come before the system's", needs, async () => {
  await using site = await openSite(busyWorld(Date.now()), { colorScheme: 'light' });
  const { page } = site;
  const ground = async () => await page.evaluate('getComputedStyle(document.documentElement).backgroundColor');
  await site.open('/');
  const light = await ground();
  await page.getByRole('radio', { name: 'dark colours' }).click();
  const dark = await ground();
  assert.notEqual(dark, light);
  await page.reload();
  await page.locator('h1').waitFor();
  assert.equal(await ground(), dark);
  await page.getByRole('radio', { name: 'system colours' }).click();
  assert.equal(await ground(), light);
});

test('serial and fingerprint can be copied, and the chain saved', needs, async () => {
  await using site = await openSite(busyWorld(Date.now()), { permissions: ['clipboard-read', 'clipboard-write'] });
  const { page } = site;
  await site.open('/certificates/file%2Fshop');
  await page.getByRole('button', { name: 'Copy serial' }).click();
  await page.locator('[data-testid=announcer]', { hasText: 'Copied the serial.' }).waitFor({ state: 'attached' });
  const serial = await page.getByTestId('serial').innerText();
  assert.equal(await page.evaluate('navigator.clipboard.readText()'), serial);
  await page.getByRole('button', { name: 'Copy fingerprint' }).click();
  await page.locator('[data-testid=announcer]', { hasText: 'Copied the fingerprint.' }).waitFor({ state: 'attached' });
  assert.match(String(await page.evaluate('navigator.clipboard.readText()')), /^(?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/);
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download' }).click(),
  ]);
  assert.equal(download.suggestedFilename(), 'shop-chain.pem');
});

async function focused(site: Site): Promise<string> {
  return String(await site.page.evaluate('document.activeElement.textContent'));
}
