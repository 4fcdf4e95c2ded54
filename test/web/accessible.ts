import assert from 'node:assert/strict';
import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from 'playwright-core';

/** axe finds nothing on the page as it is now. */
export async function assertAccessible(page: Page, where: string): Promise<void> {
  // The page has no frames; looking for some would open a second page for each look.
  const { violations } = await new AxeBuilder({ page }).setLegacyMode().analyze();
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 200)).join(' | ')}`);
  assert.deepEqual(found, [], `${where}: ${found.join('\n')}`);
}
