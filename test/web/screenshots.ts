/**
 * Pictures of every page, wide and narrow, light and dark:
 *   node test/web/screenshots.ts --url LOGIN-LINK-OR-ADDRESS [--cookie NAME=VALUE] [--out docs/screenshots] [--scale 2]
 *     [--certificate ID]
 * A login link works once and is enough; without one, give the session's cookie.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { launchBrowser } from '../support/browser.ts';

export interface ScreenshotOptions {
  /** The site, or a login link to it. */
  readonly url: string;
  /** `name=value` of a session. */
  readonly cookie?: string | undefined;
  readonly out: string;
  /** Device pixels per pixel. */
  readonly scale?: number;
  /** Whose page to show; the first of the list by default. */
  readonly certificate?: string | undefined;
  readonly only?: (name: string) => boolean;
}

const widths = [1440, 390] as const;
const schemes = ['light', 'dark'] as const;
const places = ['overview', 'certificates', 'certificate', 'issuers', 'terminators', 'history', 'login'] as const;

/** The files written. */
export async function takeScreenshots(options: ScreenshotOptions): Promise<string[]> {
  const { url, cookie, out, scale = 1, only = () => true } = options;
  await mkdir(out, { recursive: true });
  await using browser = await launchBrowser();
  const { origin } = new URL(url);
  const first = await browser.page();
  if (cookie !== undefined) {
    const [name = '', value = ''] = cookie.split('=');
    await first.context.addCookies([{ name, value, url: origin }]);
  }
  await first.page.goto(url);
  const storageState = await first.context.storageState();
  const certificate = options.certificate ?? (await firstCertificate(first.page, origin));
  const files: string[] = [];

  for (const width of widths) {
    for (const colorScheme of schemes) {
      const look: BrowserContextOptions = {
        viewport: { width, height: width > 800 ? 900 : 844 },
        colorScheme,
        deviceScaleFactor: scale,
        reducedMotion: 'reduce',
      };
      const inside = await browser.page({ ...look, storageState });
      const outside = await browser.page(look);
      for (const place of places) {
        const name = `${place}-${width}-${colorScheme}.png`;
        if (!only(name) || (place === 'certificate' && certificate === undefined)) continue;
        const { page } = place === 'login' ? outside : inside;
        const path =
          place === 'overview' || place === 'login'
            ? '/'
            : place === 'certificate'
              ? `/certificates/${encodeURIComponent(certificate ?? '')}`
              : `/${place}`;
        await page.goto(`${origin}${path}`);
        await page.locator('h1').waitFor();
        await page.locator('.skeleton, .table-skeleton').first().waitFor({ state: 'detached' });
        const file = join(out, name);
        await growToContent(page, width);
        await page.screenshot({ path: file });
        files.push(file);
      }
      await inside.context.close();
      await outside.context.close();
    }
  }
  return files;
}

/** As high as the page, so that what sticks to an edge of the window is where it belongs. */
async function growToContent(page: Page, width: number): Promise<void> {
  await page.setViewportSize({ width, height: width > 800 ? 900 : 844 });
  const height = Number(await page.evaluate('document.documentElement.scrollHeight'));
  await page.setViewportSize({ width, height });
}

async function firstCertificate(page: Page, origin: string): Promise<string | undefined> {
  const response = await page.request.get(`${origin}/api/v1/certificates?limit=1`);
  if (!response.ok()) return undefined;
  const { items } = (await response.json()) as { items: { id: string }[] };
  return items[0]?.id;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      url: { type: 'string' },
      cookie: { type: 'string' },
      out: { type: 'string', default: join(import.meta.dirname, '..', '..', 'docs', 'screenshots') },
      scale: { type: 'string', default: '1' },
      certificate: { type: 'string' },
    },
  });
  if (values.url === undefined) throw new Error('--url is missing: the address of the page, or a login link.');
  const files = await takeScreenshots({ ...values, url: values.url, scale: Number(values.scale) });
  for (const file of files) console.log(file);
}
