import { CertplaneError } from '../core/errors.ts';
import { feedKey, type ChallengeItem } from '../core/feed.ts';
import type { Challenge, ChallengeSolver } from '../core/ports/challenge-solver.ts';
import type { Feed } from './feed.ts';
import type { Terminators } from './terminators.ts';

/** Challenges answered by the terminators: the answer travels over the feed and counts once every worker gives it. */
export function createFeedSolver(deps: { feed: Feed; terminators: Terminators }): ChallengeSolver {
  const { feed, terminators } = deps;
  return {
    async present(challenge, signal) {
      const item = itemOf(challenge);
      const revision = await feed.publish(item, signal);
      await terminators.whenApplied(revision, signal);
      const [refusal] = terminators.refusals(feedKey(item));
      if (refusal !== undefined) {
        throw new CertplaneError(
          'challenge.present-failed',
          `The terminator ${refusal.terminatorId} does not take the answer for ${challenge.identifier}: ${refusal.message}`,
        );
      }
    },
    async cleanUp(challenge, signal) {
      await feed.remove(feedKey(itemOf(challenge)), signal);
    },
  };
}

function itemOf({ type, token, identifier, keyAuthorization }: Challenge): ChallengeItem {
  return { kind: 'challenge', type, token, identifier, keyAuthorization };
}
