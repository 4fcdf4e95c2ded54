import { setFlagsFromString } from 'node:v8';
import { CertplaneError } from '../../core/errors.ts';

const longest = 500;

/** V8's engine that takes linear time for every pattern it accepts, and never backtracks. */
const linear = 'l';
// Makes the flag known; without it, every pattern is refused.
setFlagsFromString('--enable-experimental-regexp-engine');

/**
 * A pattern that is matched from the beginning of a path in linear time, whoever wrote it (DESIGN §5.14). Throws
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
