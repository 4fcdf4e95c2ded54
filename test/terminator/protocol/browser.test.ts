import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchBrowser } from '../../support/browser.ts';
import { missingTools } from '../../support/tools.ts';
import { until } from '../../support/until.ts';
import { tlsPresets } from '../../../src/core/tls-policy.ts';
import { proxyRoute, startTerminator } from '../support/harness.ts';
import { file, sha256, startSiteBackend } from './site.ts';

/** What the scripts below use of the page. */
interface PageScope {
  readonly EventSource: new (url: string) => EventTarget & { close(): void };
  heard: string[];
  lost: number;
}

test(
  'Chromium: from http to https, events that go on through rotations and settings, a large file with its checksum',
  { skip: await missingTools('chromium') },
  async () => {
    await using backend = await startSiteBackend();
    const host = 'shop.localhost';
    const alpn = ['http/1.1'] as const;
    await using terminator = await startTerminator({
      routes: [proxyRoute(host, backend.url), proxyRoute('old.localhost', backend.url)],
      settings: { hosts: [{ names: ['old.localhost'], tls: { ...tlsPresets.intermediate, alpn } }] },
    });
    await terminator.serve('file/shop', 1, host);
    await terminator.serve('file/old', 1, 'old.localhost');
    await using browser = await launchBrowser();
    const { page } = await browser.page({ ignoreHTTPSErrors: true });

    for (const name of [host, 'old.localhost']) {
      const answer = await page.goto(`http://${name}:${terminator.httpPort}/page`);
      assert.equal(answer?.url(), `https://${name}:${terminator.httpsPort}/page`, 'http leads to https');
      const before = backend.open.length;
      await page.evaluate(() => {
        const scope = globalThis as unknown as PageScope;
        [scope.heard, scope.lost] = [[], 0];
        const events = new scope.EventSource('/open');
        events.addEventListener('message', (event) => scope.heard.push((event as Event & { data: string }).data));
        events.addEventListener('error', () => (scope.lost += 1));
      });
      const { response } = await until(() => backend.open[before], { what: 'the request for events' });
      for (const version of [2, 3, 4]) {
        await terminator.serve(name === host ? 'file/shop' : 'file/old', version, name);
        response.write(`data: ${version}\n\n`);
        await page.waitForFunction(
          (last) => (globalThis as unknown as PageScope).heard.at(-1) === last,
          String(version),
        );
      }
      const settings = { ...terminator.settings, limits: { ...terminator.settings.limits, headerCount: 150 } };
      await terminator.feed.acknowledged(terminator.feed.publish({ kind: 'settings', settings }));
      response.write('data: still here\n\n');
      await page.waitForFunction(() => (globalThis as unknown as PageScope).heard.at(-1) === 'still here');

      const digest = await page.evaluate(async () => {
        const bytes = await (await fetch('/file', { cache: 'no-store' })).arrayBuffer();
        return [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))];
      });
      assert.equal(Buffer.from(digest).toString('hex'), sha256(file));
      const { lost, heard } = await page.evaluate(() => {
        const scope = globalThis as unknown as PageScope;
        return { lost: scope.lost, heard: scope.heard };
      });
      assert.deepEqual([lost, heard], [0, ['2', '3', '4', 'still here']]);
    }
  },
);
