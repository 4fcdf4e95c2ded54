/** never §5.1: a working certificate is never replaced by a worse one. */
import type { ChainFacts } from './bundle.ts';
import { namesCover } from './names.ts';

export type Candidate = Pick<ChainFacts, 'names' | 'notBefore' | 'notAfter' | 'chainComplete'>;

export interface Verdict {
  /** `use` the candidate, `keep` what is there, or `hold` the candidate until its notBefore. */
  readonly action: 'use' | 'keep' | 'hold';
  /** For `hold`: when to try again, milliseconds since the epoch. */
  readonly until?: number;
  /** One sentence for status and log. */
  readonly message: string;
}

/**
 * Whether a candidate may take the place of the current one. The order: valid now, chain complete, names covered,
 * later notAfter. Equal in all of them: the candidate wins (it is what was asked for last). `mayEndEarlier` leaves the
 * end out: whoever offers it has judged that already, and may have a reason (a shorter lifetime is wanted, a key is lost).
 */
export function judge(
  candidate: Candidate,
  current: Candidate | undefined,
  context: { names: readonly string[]; now: number; mayEndEarlier?: boolean },
): Verdict {
  const { now, names } = context;
  if (candidate.notBefore > now && (current === undefined || current.notAfter > now)) {
    return { action: 'hold', until: candidate.notBefore, message: 'It is not valid yet and is held until it is.' };
  }
  if (current === undefined) return { action: 'use', message: 'There was none before.' };
  const criteria: readonly { better: (c: Candidate) => number; worse: string }[] = [
    {
      better: (c) => Number(c.notBefore <= now && now < c.notAfter),
      worse: 'it is not valid now and the one in use is',
    },
    { better: (c) => Number(c.chainComplete), worse: 'its chain is incomplete and the one in use is complete' },
    {
      better: (c) => names.filter((name) => namesCover(c.names, name)).length,
      worse: 'it covers fewer of the wanted names',
    },
  ];
  for (const { better, worse } of criteria) {
    const difference = better(candidate) - better(current);
    if (difference > 0) return { action: 'use', message: 'It is better than the one in use.' };
    if (difference < 0) return { action: 'keep', message: `Refused: ${worse}.` };
  }
  return candidate.notAfter < current.notAfter && context.mayEndEarlier !== true
    ? { action: 'keep', message: 'Refused: it ends earlier than the one in use.' }
    : { action: 'use', message: 'It is at least as good as the one in use.' };
}
