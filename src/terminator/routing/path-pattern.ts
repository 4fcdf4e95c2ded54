import { setFlagsFromString } from 'node:v8';
import { CertplaneError } from '../../core/errors.ts';

const longest = 500;

/** V8's engine that takes linear time for every pattern it accepts, and never backtracks. */
const linear = 'l';
// Makes the flag known; without it, every pattern is refused.
setFlagsFromString('--enable-experimental-regexp-engine');

/** Characters of a path times states of patterns, at most: some 40 ms where every state is alive at every character. */
const mostSteps = 2_000_000;
/** Whatever the patterns. */
const longestPath = 8_192;

/** Longer paths are not matched against patterns that have so many states together: linear time can be long as well. */
export function longestPathFor(states: number): number {
  return Math.min(longestPath, Math.floor(mostSteps / states));
}

/** What a pattern that compiles is made of: an escape, a class, the start and end of a group, a count, or one character. */
const part = /\\.|\[(?:\\.|[^\]\\])*\]|\((?:\?(?::|<[^>]*>))?|\)|\{(\d+),?(\d*)\}\??|[*+?]\??|[^]/g;

/** How many states the automaton of a pattern has, near enough: a count, and `+`, repeat those of what they stand behind. */
export function statesOf(source: string): number {
  const outer: number[] = [];
  let states = 0;
  let last = 0;
  for (const [text, least, most] of source.matchAll(part)) {
    if (text.startsWith('(')) outer.push(states);
    else if (text === ')') last = states - (outer.pop() ?? 0);
    else if (least !== undefined) states += last * Math.max(Number(least), Number(most), 1);
    else if (text.startsWith('+')) states += last + 1;
    else {
      if (!/^[*?]/.test(text)) last = 1;
      states += 1;
    }
  }
  return states;
}

/**
 * A pattern that is matched from the beginning of a path in linear time, whoever wrote it (never §5.14). Throws
 * `config.invalid` for what that engine does not take: look-ahead, back-references, counts above 16; it is never run on
 * another one.
 */
export function compilePattern(source: string): RegExp {
  if (source.length > longest) throw refused(`it has more than ${longest} characters`);
  try {
    void new RegExp(source, linear); // on its own first, so that no parenthesis of its own closes the group around it
    return new RegExp(`^(?:${source})`, linear);
  } catch (error) {
    const [, reason = ''] = /: ([^:]*)$/.exec((error as SyntaxError).message) ?? [];
    throw refused(reason, error);
  }
}

function refused(reason: string, cause?: unknown): CertplaneError {
  const message = `The regular expression is not one that can be matched in linear time (${reason}); leave out look-around, back-references and high counts.`;
  return new CertplaneError('config.invalid', message, { cause });
}
