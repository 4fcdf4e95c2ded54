/** YAML text to plain values, with every problem of the text itself and the way back from a path to its line. */
import { type Document, LineCounter, parseAllDocuments, type YAMLError } from 'yaml';
import type { ConfigProblem } from './model.ts';
import { toPlain } from './plain.ts';
import { Locator } from './position.ts';

export interface ParsedDocument {
  /** Null for an empty document; meaningless when `problems` has errors. */
  readonly root: unknown;
  readonly locator: Locator;
  readonly problems: readonly ConfigProblem[];
}

export function parseText(text: string): ParsedDocument {
  const lines = new LineCounter();
  let documents: Document[];
  try {
    // The package's own duplicate-key check is quadratic; toPlain does it in one pass.
    const parsed = parseAllDocuments(text, {
      uniqueKeys: false,
      lineCounter: lines,
      prettyErrors: false,
      logLevel: 'silent',
    });
    documents = [...parsed] as Document[];
  } catch (error) {
    return failed(lines, [unreadable(error instanceof Error ? error.message : 'unknown error')]);
  }
  const [document, second] = documents;
  if (document === undefined) return { root: null, locator: new Locator(null, lines, new WeakMap()), problems: [] };
  const place = (offset: number) => new Locator(null, lines, new WeakMap()).ofOffset(offset);
  const overflow = document.errors.find(({ message }) => tooDeep.test(message));
  if (overflow !== undefined) return failed(lines, [{ ...unreadable(overflow.message), ...place(overflow.pos[0]) }]);
  const problems: ConfigProblem[] = [];
  for (const error of [...document.errors, ...document.warnings]) {
    const message = syntaxSentence(error, text);
    const at = place(error.pos[0]);
    // One bracket that is never closed is reported once for each level around it.
    if (problems.some((other) => other.line === at.line && other.message === message)) continue;
    problems.push({ path: '', ...at, message, severity: 'error' });
  }
  if (second !== undefined) {
    const at = second.range?.[0] ?? 0;
    const message = 'The file holds a second document after "---"; write everything into one.';
    problems.push({ path: '', ...place(Math.min(at, text.length)), message, severity: 'error' });
  }
  if (problems.some((problem) => problem.severity === 'error')) return failed(lines, problems);
  const plain = toPlain(document.contents);
  const locator = new Locator(document.contents, lines, plain.targets);
  for (const { path, offset, message } of plain.problems) {
    problems.push({ path, ...locator.ofOffset(offset), message, severity: 'error' });
  }
  return plain.gaveUp ? failed(lines, problems) : { root: plain.value, locator, problems };
}

function failed(lines: LineCounter, problems: readonly ConfigProblem[]): ParsedDocument {
  return { root: null, locator: new Locator(null, lines, new WeakMap()), problems };
}

function wordAt(text: string, offset: number): string {
  const word = /^[\w.-]{1,60}/.exec(text.slice(offset, offset + 60))?.[0];
  return word === undefined ? 'this key' : JSON.stringify(word);
}

/** How the parser's recursion ends where the text is nested deeper than the stack; it reports that as an error of the text. */
const tooDeep = /^Maximum call stack/;

function unreadable(reason: string): ConfigProblem {
  const message = tooDeep.test(reason)
    ? 'The file is nested too deeply to be read; write it with less nesting.'
    : `The file cannot be read as YAML (${reason.split('\n')[0]}).`;
  return { path: '', message, severity: 'error' };
}

function syntaxSentence(error: YAMLError, text: string): string {
  const own = error.message.split('\n')[0]?.replace(/[.:]?$/, '') ?? '';
  switch (error.code) {
    case 'TAB_AS_INDENT':
      return 'A tab indents this line, which YAML does not allow; write spaces.';
    case 'BAD_ALIAS':
      return 'A value that starts with * must be in quotes, because * means an alias in YAML; write "*.example.com".';
    case 'BAD_SCALAR_START':
      return `A value that starts with ${text[error.pos[0]] ?? 'this character'} must be in quotes; put it in "…".`;
    case 'MISSING_CHAR':
      if (own.startsWith('Implicit map keys'))
        return `There is no colon behind ${wordAt(text, error.pos[0])}; write one, and a value behind it.`;
      return `${own}; a quote or bracket that is opened here must be closed.`;
    case 'BLOCK_AS_IMPLICIT_KEY':
    case 'MULTILINE_IMPLICIT_KEY':
      return 'A key cannot go over several lines; is a colon missing, or a line indented differently from its neighbours?';
    case 'BAD_INDENT':
      if (own.startsWith('Flow'))
        return 'A [ or { that was opened is not closed before this line; write the closing ] or }.';
      return `${own}; indent everything inside it further, with spaces.`;
    case 'TAG_RESOLVE_FAILED':
      return 'Tags (a value that starts with !) mean nothing here; put the value in quotes, or leave the tag out.';
    default:
      return `This is not valid YAML: ${own}.`;
  }
}
