import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core';
import { tempDir } from './tempdir.ts';
import { findTool } from './tools.ts';

/** All that Chromium is told: no sandbox (root), and nothing that would talk to anyone but the page under test. */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface TestBrowser extends AsyncDisposable {
  readonly browser: Browser;
  /** A page in a fresh context (no cookies shared); its console errors and failed requests are in `problems`. */
  page(options?: BrowserContextOptions): Promise<TestPage>;
}

export interface TestPage {
  readonly page: Page;
  readonly context: BrowserContext;
  readonly problems: string[];
}

export async function launchBrowser(): Promise<TestBrowser> {
  await using stack = new AsyncDisposableStack();
  const program = await findTool('chromium');
  const profile = stack.use(await tempDir('chromium-'));
  const browser = await chromium.launch({
    executablePath: program.path,
    env: definedOnly({ ...program.env, XDG_CONFIG_HOME: profile.path, XDG_CACHE_HOME: profile.path }),
    ignoreDefaultArgs: true,
    args: [...FLAGS, '--remote-debugging-pipe', `--user-data-dir=${profile.path}`, 'about:blank'],
    timeout: 60_000,
  });
  stack.defer(async () => await browser.close());
  const parts = stack.move();
  return {
    browser,
    page: async (options) => {
      const context = await browser.newContext(options);
      const page = await context.newPage();
      const problems: string[] = [];
      page.on('pageerror', (error) => problems.push(`uncaught: ${error.message}`));
      page.on('console', (message) => {
        if (message.type() === 'error') problems.push(`console: ${message.text()}`);
      });
      page.on('requestfailed', (request) => {
        problems.push(`${request.method()} ${request.url()}: ${request.failure()?.errorText ?? 'failed'}`);
      });
      return { page, context, problems };
    },
    [Symbol.asyncDispose]: async () => await parts.disposeAsync(),
  };
}

function definedOnly(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
