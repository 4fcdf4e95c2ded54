/** Answers to challenges in the feed, and the orders they are for. */
import type { FeedKey } from '../core/feed.ts';
import type { OrderRecord } from '../core/records.ts';
import type { Feed } from './feed.ts';

/** Feed keys of what an order has presented, or is about to. The state is the issuer's own, so nothing is taken for granted. */
function challengeKeys({ data }: OrderRecord): FeedKey[] {
  const challenges = data['challenges'];
  if (!Array.isArray(challenges)) return [];
  return challenges.flatMap((one: unknown) => {
    const token = (one as { readonly token?: unknown } | null)?.token;
    return typeof token === 'string' ? [`challenge/${token}`] : [];
  });
}

/** What an order leaves in the feed when it ends without its issuer's clean-up. */
export async function dropChallenges(feed: Feed, order: OrderRecord, signal: AbortSignal): Promise<void> {
  for (const key of challengeKeys(order)) await feed.remove(key, signal);
}

/** Answers in the feed that no order needs. */
export function strayChallenges(feed: Feed, orders: Iterable<OrderRecord>): FeedKey[] {
  const needed = new Set<FeedKey>();
  for (const order of orders) for (const key of challengeKeys(order)) needed.add(key);
  return feed
    .items()
    .flatMap((item) => (item.kind === 'challenge' ? [`challenge/${item.token}`] : []))
    .filter((key) => !needed.has(key));
}
