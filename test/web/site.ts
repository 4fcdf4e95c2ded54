import { after } from 'node:test';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { buildWeb } from '../../tools/build-web.ts';
import { launchBrowser, type TestBrowser } from '../support/browser.ts';
import { until } from '../support/until.ts';
import { history, issuers, mixedCertificates, terminators } from './fixture-data.ts';
import { startFixtureServer, type FixtureServer, type World } from './fixture-server.ts';

export interface Site extends AsyncDisposable {
  readonly server: FixtureServer;
  readonly page: Page;
  /** Console errors (content security policy included), uncaught errors and failed requests so far. */
  readonly problems: string[];
  /** Goes there and waits for the page's heading. */
  open(path: string): Promise<void>;
  /** Waits until the address is this one. */
  address(path: string): Promise<void>;
}

/** A world with a bit of everything. */
export function busyWorld(now: number): Partial<World> {
  return {
    certificates: mixedCertificates(now),
    issuers: issuers(now),
    terminators: terminators(now),
    history: history(now),
    problems: [
      {
        code: 'config.invalid',
        message: 'The configuration file has 2 problems; the one from 09:14 is still in use.',
        subject: '/etc/certplane.yaml line 41',
        since: new Date(now - 1_560_000).toISOString(),
      },
    ],
  };
}

let shared: Promise<TestBrowser> | undefined;

/** One for each test file; its start takes longer than most tests. */
async function browser(): Promise<TestBrowser> {
  return await (shared ??= launchBrowser());
}

after(async () => await (await shared)?.[Symbol.asyncDispose]());

/** The built page in a real browser, in front of scripted data. */
export async function openSite(world: Partial<World>, options: BrowserContextOptions = {}): Promise<Site> {
  await using stack = new AsyncDisposableStack();
  await buildWeb();
  const server = stack.use(await startFixtureServer(world));
  const { page, context, problems } = await (await browser()).page(options);
  stack.defer(async () => await context.close());
  page.setDefaultTimeout(15_000);
  const parts = stack.move();
  return {
    server,
    page,
    get problems() {
      // A page that is left, or reads again before the last answer came, gives requests up.
      return problems.filter((one) => !one.endsWith('net::ERR_ABORTED'));
    },
    async open(path) {
      await page.goto(`${server.url}${path}`);
      await page.locator('h1').waitFor();
    },
    async address(path) {
      await until(() => page.url() === `${server.url}${path}`, { what: `the address ${path} (it is ${page.url()})` });
    },
    [Symbol.asyncDispose]: async () => await parts.disposeAsync(),
  };
}
