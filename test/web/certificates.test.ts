import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missingTools } from '../support/tools.ts';
import { until } from '../support/until.ts';
import { certificate, issuers, manyCertificates, mixedCertificates, shortLived } from './fixture-data.ts';
import { busyWorld, openSite, type Site } from './site.ts';

const needs = { skip: await missingTools('chromium') };

async function names(site: Site): Promise<string[]> {
  return await site.page
    .locator('.row-link')
    .evaluateAll((links) => links.map((link) => link.firstChild?.textContent ?? ''));
}

test('the list shows the most urgent first and links each row to its page', needs, async () => {
  await using site = await openSite(busyWorld(Date.now()));
  await site.open('/certificates');
  await site.page.getByText('15 certificates').waitFor();
  assert.deepEqual((await names(site)).slice(0, 3), ['legacy-tls', 'shop', 'api.example.com']);
  await site.page.getByRole('link', { name: 'api.example.com needs a person' }).click();
  await site.address('/certificates/route%2Fapi.example.com');
  await site.page.getByRole('heading', { level: 1, name: 'api.example.com' }).waitFor();
  assert.deepEqual(site.problems, []);
});

test('search, filter and order are kept in the address and survive a reload', needs, async () => {
  await using site = await openSite(busyWorld(Date.now()));
  await site.open('/certificates');
  await site.page.getByRole('searchbox').fill('example.com');
  await site.address('/certificates?q=example.com');
  await site.page.getByRole('navigation', { name: 'Filter' }).getByRole('link', { name: 'Ready' }).click();
  await site.address('/certificates?q=example.com&phase=ready');
  await site.page.getByRole('button', { name: 'Certificate', exact: true }).click();
  await site.address('/certificates?q=example.com&phase=ready&sort=name');
  await site.page.getByRole('button', { name: 'Certificate', exact: true }).click();
  await site.address('/certificates?q=example.com&phase=ready&sort=-name');
  await site.page.getByText('10 matches').waitFor();
  await until(async () => (await names(site))[0] === 'wiki', { what: 'the order Z to A' });

  await site.page.reload();
  await site.page.getByText('10 matches').waitFor();
  assert.equal((await names(site))[0], 'wiki');
  assert.equal(await site.page.getByRole('searchbox').inputValue(), 'example.com');
  assert.equal(await site.page.locator('th[aria-sort=descending]').innerText(), 'Certificate');
});

test('the chips count what the search and the issuer leave, and say so again when that changes', needs, async () => {
  await using site = await openSite(busyWorld(Date.now()));
  const chips = async (): Promise<string[]> =>
    (await site.page.getByRole('navigation', { name: 'Filter' }).getByRole('link').allInnerTexts()).map((text) =>
      text.replaceAll(/\s+/g, ' '),
    );
  await site.open('/certificates?issuer=letsencrypt');
  await site.page.getByText('11 matches').waitFor();
  assert.equal((await chips())[0], 'All 11');
  await site.page.getByRole('searchbox').fill('shop');
  await until(async () => (await chips())[0] === 'All 1', { what: 'the counts of the search' });
  assert.deepEqual(await chips(), ['All 1', 'Needs a person 1', 'Failing 1']);
  await site.page.getByRole('navigation', { name: 'Filter' }).getByRole('link', { name: 'Needs a person' }).click();
  await site.page.getByText('1 match', { exact: true }).waitFor();
  assert.deepEqual(await chips(), ['All 1', 'Needs a person 1', 'Failing 1'], 'a chip does not change the others');
});

test('the order can be chosen from a menu', needs, async () => {
  await using site = await openSite(busyWorld(Date.now()));
  await site.open('/certificates');
  await site.page.getByRole('button', { name: /Order/ }).click();
  await site.page.getByRole('option', { name: 'Expires latest' }).click();
  await site.address('/certificates?sort=-notAfter');
  await until(async () => (await names(site))[0] === 'wiki', { what: 'the certificate that expires last' });
});

test('a number on the overview leads to exactly those certificates', needs, async () => {
  await using site = await openSite(busyWorld(Date.now()));
  await site.open('/');
  await site.page.getByRole('list', { name: 'Certificates by phase' }).getByRole('link', { name: 'Failing' }).click();
  await site.address('/certificates?phase=failing');
  await site.page.getByText('1 match', { exact: true }).waitFor();
  assert.deepEqual(await names(site), ['shop']);
});

test('the number of an issuer leads to exactly its certificates, and its filter can be taken away', needs, async () => {
  const now = Date.now();
  const ofLocal = shortLived('route/hello.localhost', now, 1);
  // The name of an issuer may be a part of any other word.
  const localissimo = certificate('file/localissimo', now);
  const [acme, local, ...others] = issuers(now);
  assert.ok(acme !== undefined && local !== undefined);
  await using site = await openSite({
    certificates: [ofLocal, localissimo],
    issuers: [{ ...acme, certificates: 1 }, { ...local, certificates: 1 }, ...others],
  });
  await site.open('/issuers');
  await site.page.locator('.card', { hasText: 'Private CA' }).getByRole('link', { name: '1 certificate' }).click();
  await site.address('/certificates?issuer=local');
  await site.page.getByText('1 match', { exact: true }).waitFor();
  assert.deepEqual(await names(site), ['hello.localhost']);
  await site.page.getByRole('link', { name: /^Issuer local/ }).click();
  await site.address('/certificates');
  await site.page.getByText('2 certificates', { exact: true }).waitFor();
});

test('without a match the page says so and offers the way back', needs, async () => {
  await using site = await openSite(busyWorld(Date.now()));
  await site.open('/certificates?q=nothing-like-this');
  await site.page.getByText('No certificate matches.').waitFor();
  await site.page.getByRole('link', { name: 'Show all certificates' }).click();
  await site.address('/certificates');
  await site.page.getByText('15 certificates').waitFor();
  assert.equal(await site.page.getByRole('searchbox').inputValue(), '');
});

test('an installation without certificates says what brings the first one', needs, async () => {
  await using site = await openSite({});
  await site.open('/certificates');
  await site.page.getByText('There are no certificates yet.').waitFor();
  await site.page.getByRole('link', { name: 'Overview' }).click();
  await site.page.getByText('There are no certificates in the configuration.').waitFor();
});

test('a failed read shows its code and can be tried again', needs, async () => {
  await using site = await openSite(busyWorld(Date.now()));
  site.server.world.broken.set('/certificates', 400);
  site.server.world.broken.set('/events', 503); // the first event would read everything again by itself
  await site.open('/certificates');
  await site.page.getByText('The certificates could not be read.').waitFor();
  await site.page.getByText('internal.unexpected').waitFor();
  site.server.world.broken.delete('/certificates');
  await site.page.getByRole('button', { name: 'Try again' }).click();
  await site.page.getByText('15 certificates').waitFor();
});

test('when reading again fails, what was read stays, with a word that it may be old', needs, async () => {
  await using site = await openSite(busyWorld(Date.now()));
  await site.open('/certificates');
  await site.page.getByText('15 certificates').waitFor();
  site.server.world.broken.set('/certificates', 400);
  site.server.change([]);
  site.server.change(mixedCertificates(Date.now()).slice(0, 1));
  await site.page.getByText('What you see may be old').waitFor();
  assert.equal((await names(site)).length, 15);
});

test('1,200 certificates come in pages, and over 500 only the rows near the screen are drawn', needs, async () => {
  await using site = await openSite({ certificates: manyCertificates(Date.now(), 1_200) });
  await site.open('/certificates?sort=name');
  await site.page.getByText('1,200 certificates, the first 100 shown').waitFor();
  for (let shown = 200; shown <= 1_200; shown += 100) {
    await site.page.getByRole('button', { name: 'Show more' }).click();
    const words = shown < 1_200 ? `the first ${shown.toLocaleString('en-GB')} shown` : '1,200 certificates';
    await site.page.locator('.result', { hasText: words }).waitFor();
  }
  await until(async () => (await names(site)).length < 200, { what: 'fewer than 200 rows in the document' });
  await site.page.evaluate('window.scrollTo(0, document.body.scrollHeight)');
  await site.page.getByRole('link', { name: 'site-1199' }).waitFor();
  const row = site.page.locator('tr', { has: site.page.getByRole('link', { name: 'site-1199' }) });
  assert.equal(await row.getAttribute('aria-rowindex'), '1201');
  assert.equal(await site.page.getByRole('table').getAttribute('aria-rowcount'), '1201');
  assert.deepEqual(site.problems, []);
});
