import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildWeb } from '../../tools/build-web.ts';
import { launchBrowser } from '../support/browser.ts';
import { startCertplane } from '../support/certplane.ts';
import { freePorts } from '../support/ports.ts';
import { missingTools } from '../support/tools.ts';
import { assertAccessibleInBoth } from './accessible.ts';

const needs = { skip: await missingTools('chromium') };

function config(admin: number, metrics: number, https: number, http: number): string {
  return `
dataDir: ./data
admin: { listen: '127.0.0.1:${admin}' }
metrics: { listen: '127.0.0.1:${metrics}' }
defaults: { issuers: [local] }
issuers:
  local: { ca: { lifetime: 10y } }
certificates:
  hello: { dnsNames: [hello.localhost], lifetime: 15m }
  apps: { dnsNames: ['*.apps.localhost'], lifetime: 15m }
terminator:
  workers: 1
  https: { listen: '127.0.0.1:${https}' }
  http: { listen: '127.0.0.1:${http}' }
  routes:
    - hosts: [hello.localhost]
      respond: { status: 200, body: hello }
`;
}

test(
  'the real program: login link, certificates, a renewal seen live with a new serial everywhere, no axe finding',
  needs,
  async () => {
    await buildWeb();
    const [admin = 0, metrics = 0, https = 0, http = 0] = await freePorts(4);
    await using certplane = await startCertplane({
      configYaml: config(admin, metrics, https, http),
      readyLine: /\/login\?code=/,
    });
    const [link] = await certplane.process.waitForLine(/http:\/\/\S+\/login\?code=\S+/);
    await using browser = await launchBrowser();
    const { page, problems } = await browser.page({ viewport: { width: 1440, height: 900 } });

    await page.goto(link);
    await page.getByText('Nothing needs a person.').waitFor();
    await page.locator('.connection[data-state=live]').waitFor();
    await page.getByRole('link', { name: 'Certificates' }).click();
    await page.getByText('2 certificates', { exact: true }).waitFor();
    await page.getByRole('link', { name: 'hello' }).click();
    const served = page.locator('.card', { has: page.getByRole('heading', { name: 'Served now' }) });
    await served.getByText('Version in use').waitFor();
    const before = await page.getByTestId('serial').innerText();

    await page.getByRole('button', { name: 'Renew now' }).click();
    await page.getByText('A new version is in use').waitFor();
    const after = await page.getByTestId('serial').innerText();
    assert.notEqual(after, before);
    await served.locator(`[title="${after}"]`).waitFor();
    await served.getByText('Version in use').waitFor();

    await assertAccessibleInBoth(page, 'the certificate');
    await page.reload();
    await page.getByTestId('serial').filter({ hasText: after }).waitFor();
    assert.deepEqual(
      problems.filter((one) => !one.endsWith('net::ERR_ABORTED')),
      [],
    );
  },
);
