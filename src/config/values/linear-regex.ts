/**
 * Regular expressions that V8's linear-time engine takes (`RegExp` flag `l`), told from their source alone: this process
 * runs without that engine. A test compares the verdict with the engine's own.
 */

const longest = 500;
/** V8 writes a counted body out so often; nested counts multiply. */
const mostRepeats = 16;

/** What keeps it from being used and what to write instead; undefined when nothing does. */
export function regexProblem(source: string): string | undefined {
  if (source.length > longest) return `A regular expression has at most ${longest} characters; write a shorter one.`;
  if (!/^[\x21-\x7e]+$/.test(source)) {
    return 'A regular expression is matched against the path as it travels: write it in ASCII without spaces, percent-encoded.';
  }
  try {
    // Compiled, never run: this engine may take for ever.
    void new RegExp(source);
  } catch (error) {
    const reason = (error as SyntaxError).message.replace(/^Invalid regular expression: /, '');
    return `This is not a regular expression (${reason}); a character with a meaning of its own needs \\ in front.`;
  }
  const refused = new Scanner(source).refusal();
  if (refused !== undefined) return refused;
  if (/^\^?[A-Za-z0-9]/.test(source)) return `A path begins with a slash; write /${source.replace(/^\^/, '')}.`;
  return undefined;
}

/** Walks over a source whose syntax is known to be right. */
class Scanner {
  readonly #source: string;
  #at = 0;
  #refusal: string | undefined;

  constructor(source: string) {
    this.#source = source;
  }

  refusal(): string | undefined {
    if (this.#disjunction() > mostRepeats && this.#refusal === undefined) {
      return `Repetitions such as {1,${mostRepeats}} count to ${mostRepeats} at most, nested ones multiplied (each + counts twice); write * or + in place of the count, or nest less.`;
    }
    return this.#refusal;
  }

  /** How often the innermost body is written out. */
  #disjunction(): number {
    let most = 1;
    while (this.#at < this.#source.length && this.#source[this.#at] !== ')') {
      if (this.#source[this.#at] === '|') this.#at += 1;
      else most = Math.max(most, this.#atom() * this.#repeats());
    }
    return most;
  }

  #atom(): number {
    const character = this.#source[this.#at];
    this.#at += 1;
    if (character === '\\') this.#escape();
    else if (character === '[') this.#class();
    else if (character === '(') return this.#group();
    return 1;
  }

  #escape(): void {
    const next = this.#source[this.#at] ?? '';
    this.#at += 1;
    if (/[1-9k]/.test(next)) {
      this.#refuse(`Back-references (\\${next}) cannot be matched in linear time; write the pattern out.`);
    }
  }

  #class(): void {
    while (this.#source[this.#at] !== ']') this.#at += this.#source[this.#at] === '\\' ? 2 : 1;
    this.#at += 1;
  }

  #group(): number {
    const [, opening = ''] = /^(\?(?:<?[=!]|<[^>]*>|[a-z-]*:)?)?/y.exec(this.#source.slice(this.#at)) ?? [];
    if (/[=!]$/.test(opening)) {
      this.#refuse(`Look-around ((${opening}…)) cannot be matched in linear time; write several routes instead.`);
    } else if (/^\?[a-z-]/.test(opening)) {
      this.#refuse('Modifiers such as (?i:…) are not supported; write [Aa] for both cases.');
    }
    this.#at += opening.length;
    const inner = this.#disjunction();
    this.#at += 1;
    return inner;
  }

  #repeats(): number {
    const [written, , min = '', comma, max = ''] =
      /^([*+?]|\{(\d+)(,(\d*))?\})\??/.exec(this.#source.slice(this.#at)) ?? [];
    if (written === undefined) return 1;
    this.#at += written.length;
    if (!written.startsWith('{')) return written.startsWith('+') ? 2 : 1;
    const open = comma !== undefined && max === '';
    return Math.max(1, Number(min), open ? Number(min) + 1 : max === '' ? Number(min) : Number(max));
  }

  #refuse(reason: string): void {
    this.#refusal ??= reason;
  }
}
