import assert from 'node:assert/strict';
import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from 'playwright-core';

/** axe finds nothing on the page as it is now. */
export async function assertAccessible(page: Page, where: string): Promise<void> {
  await assertNothingFound(builder(page), where);
}

/** In light, and then in dark what axe has to say of colours: nothing else differs between them. */
export async function assertAccessibleInBoth(page: Page, where: string): Promise<void> {
  await page.emulateMedia({ colorScheme: 'light' });
  await assertAccessible(page, `${where} in light`);
  await page.emulateMedia({ colorScheme: 'dark' });
  await assertNothingFound(builder(page).withRules(['color-contrast', 'link-in-text-block']), `${where} in dark`);
}

function builder(page: Page): AxeBuilder {
  // The page has no frames; looking for some would open a second page for each look.
  return new AxeBuilder({ page }).setLegacyMode().options({ resultTypes: ['violations'] });
}

async function assertNothingFound(axe: AxeBuilder, where: string): Promise<void> {
  const { violations } = await axe.analyze();
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 200)).join(' | ')}`);
  assert.deepEqual(found, [], `${where}: ${found.join('\n')}`);
}
