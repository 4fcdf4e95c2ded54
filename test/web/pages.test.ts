import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missingTools } from '../support/tools.ts';
import { until } from '../support/until.ts';
import { assertAccessible, assertAccessibleInBoth } from './accessible.ts';
import { certificate, failingCertificate, shortLived } from './fixture-data.ts';
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

/** At 390 pixels these have another form than on a wide screen. */
const laidOutAnew: ReadonlySet<string> = new Set(pages.slice(0, 3));

async function settled(site: Site): Promise<void> {
  await site.page.locator('.skeleton, .table-skeleton').first().waitFor({ state: 'detached' });
}

test(
  'axe finds nothing on any page, in light and dark, and none has an error in the console (content security policy)',
  needs,
  async () => {
    // Without transitions: colours in the middle of one are nobody's choice.
    const look = { viewport: { width: 1440, height: 900 }, reducedMotion: 'reduce' } as const;
    await using site = await openSite(busyWorld(Date.now()), look);
    const { page, server } = site;
    const visit = async (path: string): Promise<void> => {
      await site.open(path);
      await settled(site);
      await assertAccessibleInBoth(page, path);
    };
    for (const path of pages) await visit(path);
    assert.deepEqual(site.problems, []);
    for (const path of states) await visit(path);
    await site.open('/');
    await page.getByRole('radio', { name: 'Table' }).click();
    await page.getByRole('table').waitFor();
    await assertAccessibleInBoth(page, 'the timeline as a table');
    await site.open('/certificates');
    await page.getByRole('button', { name: /Order/ }).click();
    await page.getByRole('listbox').waitFor();
    await assertAccessibleInBoth(page, 'the menu of orders');
    server.world.session = null;
    await page.goto(server.url);
    await page.getByLabel('Token').waitFor();
    await assertAccessibleInBoth(page, 'the login');
  },
);

test('at 390 pixels no page scrolls sideways, and axe finds nothing in lists and cards', needs, async () => {
  await using site = await openSite(busyWorld(Date.now()), { viewport: { width: 390, height: 844 } });
  for (const path of [...pages, ...states]) {
    await site.open(path);
    await settled(site);
    const { inner, content } = await site.page.evaluate<{ inner: number; content: number }>(
      '({ inner: document.documentElement.clientWidth, content: document.documentElement.scrollWidth })',
    );
    assert.ok(content <= inner, `${path} is ${content} pixels wide in a window of ${inner}`);
    if (laidOutAnew.has(path)) await assertAccessible(site.page, path);
  }
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

test('the overview names the issuer and the terminator problems that explain failures', needs, async () => {
  await using site = await openSite(busyWorld(Date.now()));
  const { page } = site;
  await site.open('/');
  const installation = page.locator('.card', { has: page.getByRole('heading', { name: 'Installation' }) });
  await installation.getByText('letsencrypt: The certificate authority refused because of a rate limit').waitFor();
  await installation.getByText('The configuration file has 2 problems').waitFor();
  await installation.getByText('edge-2: /etc/certs').waitFor();
  assert.equal(await installation.locator('li').count(), 3);
  await page.getByText('1 of 2 backend endpoints not healthy').waitFor();
  await installation.getByRole('link', { name: '11 certificates' }).click();
  await site.address('/certificates?issuer=letsencrypt');
});

test('what is renewed next is listed however many fail', needs, async () => {
  const now = Date.now();
  const failing = Array.from({ length: 30 }, (_, index) => ({
    ...failingCertificate(now),
    id: `file/failing-${index}`,
  }));
  await using site = await openSite({ certificates: [...failing, certificate('file/blog', now)] });
  await site.open('/');
  const next = site.page.locator('.card', { has: site.page.getByRole('heading', { name: 'Next renewals' }) });
  await next.getByRole('link', { name: 'blog' }).waitFor();
  assert.equal(await next.locator('li').count(), 1);
});

test('a terminator shows its backends, those that are not healthy first', needs, async () => {
  await using site = await openSite(busyWorld(Date.now()));
  await site.open('/terminators');
  const rows = site.page.getByRole('region', { name: 'Backends' }).locator('li');
  await rows.first().waitFor();
  assert.deepEqual(
    (await rows.allInnerTexts()).map((text) => text.split('\n').filter(Boolean)),
    [
      ['10.0.0.3:8080', 'app', '0 open connections', '46,002 requests', 'Unhealthy'],
      ['10.0.0.2:8080', 'app', '12 open connections', '48,213 requests', 'Healthy'],
    ],
  );
});

test('many names are folded, and all of them can be shown', needs, async () => {
  const many = Array.from({ length: 40 }, (_, index) => `host-${index}.example.com`);
  await using site = await openSite({ certificates: [certificate('file/many', Date.now(), { names: many })] });
  await site.open('/certificates/file%2Fmany');
  const shown = site.page.locator('.name-list li');
  await site.page.getByRole('button', { name: 'Show all 40 names' }).waitFor();
  assert.equal(await shown.count(), 8);
  await site.page.getByRole('button', { name: 'Show all 40 names' }).click();
  assert.deepEqual(await shown.allInnerTexts(), many);
});

test(
  'the history of a certificate leads to all of it, and from there to that of every certificate',
  needs,
  async () => {
    await using site = await openSite(busyWorld(Date.now()));
    await site.open('/certificates/file%2Fshop');
    const card = site.page.locator('.card', { has: site.page.getByRole('heading', { name: 'History' }) });
    await card.getByRole('link', { name: 'All' }).click();
    await site.address('/history?certificate=file%2Fshop');
    await until(async () => (await site.page.locator('.event').count()) === 2, { what: 'its two entries' });
    await site.page.getByRole('link', { name: /^file\/shop/ }).click();
    await site.address('/history');
  },
);

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

test(
  'with an expiry far ahead the timeline keeps apart what is near, and its axis says how far each part reaches',
  needs,
  async () => {
    const now = Date.now();
    const far = { notAfter: new Date(now + 3_650 * 86_400_000).toISOString(), renewAt: null };
    const near = [60_000, 240_000].map((age, i) => shortLived(`route/hello-${i}.localhost`, now - age, i));
    await using site = await openSite({ certificates: [...near, certificate('file/appliance', now, far)] });
    await site.open('/');
    const axis = site.page.locator('.timeline-axis span');
    await axis.first().waitFor();
    const words = await axis.allInnerTexts();
    assert.deepEqual([words[0], words[4]], ['now', 'in 10y']);
    assert.match(words[1] ?? '', /^in \d+m$/);
    await site.page.getByText('Each bar covers a longer time than the one before.').waitFor();
    await site.page.getByRole('radio', { name: 'Table' }).click();
    const rows = site.page.getByRole('table').locator('tbody tr');
    await rows.first().waitFor();
    assert.ok((await rows.count()) >= 4, 'the near ones stand in spans of their own');
    await assertAccessible(site.page, 'the table of growing spans');
    await site.page.getByRole('radio', { name: 'Chart' }).click();
    await axis.first().waitFor();
    await assertAccessible(site.page, 'the chart of growing spans');
  },
);

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
