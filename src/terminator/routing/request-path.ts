/**
 * Paths of requests, read so that a route cannot be bypassed: by dot segments, by percent-encoding, or by a backend that
 * reads a path differently than we do.
 *
 * - Percent-encoded unreserved characters are decoded, other encodings get upper-case digits, bytes above 0x7f are
 *   encoded (RFC 3986 §6.2.2). Dot segments are resolved. Routes match on the result, and backends get it.
 * - Refused: malformed percent-encoding, `%00`, `#`, control characters, dot segments above the root, and dot segments
 *   that only some readers see (`..;`, `..%2F`, `..\`).
 * - What may stand in a path although readers disagree about it stays as it is: `//`, `%2F`, `\`, `%5C`, `;`, and other
 *   delimiters in percent-encoding. Such a path has a second, lenient reading; where the two lead to different routes,
 *   the request is refused (`RouteTable`).
 */

export interface RequestPath {
  /** In its normal form; begins with a slash. Or `*` (RFC 9112 §3.2.4). */
  readonly path: string;
  /** With its question mark; empty without one. */
  readonly query: string;
  /** As the most lenient reader takes the path; absent: all take it alike. */
  readonly lenient?: string | undefined;
  readonly readings: Readings;
}

/**
 * `one`: all readers agree. `two`: this path, and the lenient one. `between`: several, and what stands in front of the
 * first difference is the same to all. `any`: more than can be told.
 */
export type Readings = 'one' | 'two' | 'between' | 'any';

/** Most paths: nothing in them can be read in two ways. */
const unusual = /[%\\;#]|[^\x21-\x7e]|\/(?:\/|\.\.?(?:\/|$))/;

/** The path and query of an origin-form target; why it is refused otherwise. */
export function readPath(target: string): RequestPath | string {
  const question = target.indexOf('?');
  const path = question < 0 ? target : target.slice(0, question);
  const query = question < 0 ? '' : target.slice(question);
  if (query !== '' && query.includes('#')) return 'a fragment in the target';
  if (!unusual.test(path)) return { path, query, readings: 'one' };
  const normal = normalise(path);
  if (typeof normal === 'string') return normal;
  return { ...normal, query };
}

interface NormalPath {
  readonly path: string;
  readonly lenient?: string | undefined;
  readonly readings: Readings;
}

/** A path that has something unusual in it. */
export function normalise(raw: string): NormalPath | string {
  // oxlint-disable-next-line no-control-regex -- exactly these cannot stand in a target
  if (/[\x00-\x20\x7f#\u0100-\uffff]/.test(raw)) return 'a character that cannot stand in a path';
  if (/%(?![0-9A-Fa-f]{2})/.test(raw)) return 'malformed percent-encoding';
  const text = raw.replace(/%..|[\x80-\xff]/g, normalOctet);
  if (text.includes('%00')) return 'a null character in the path';
  if (hiddenDots.test(text)) return 'a dot segment that is written as something else';
  if (!dots.test(text)) return withLenient(text);
  const resolved = resolveDots(text);
  return resolved === undefined ? 'the path leads above the root' : withLenient(resolved);
}

/** A dot segment for whoever takes `\`, `%2F` or `%5C` for a slash, or `;` for the end of a segment. */
const hiddenDots = /(?:\\|%2F|%5C)\.\.?(?:$|[/\\;]|%2F|%5C|%3B)|\/\.\.?(?:[\\;]|%2F|%5C|%3B)/;
const dots = /\/\.\.?(?:\/|$)/;

function normalOctet(octet: string): string {
  if (octet.length === 1) return `%${octet.charCodeAt(0).toString(16).toUpperCase()}`;
  const character = String.fromCharCode(Number.parseInt(octet.slice(1), 16));
  return /[A-Za-z0-9\-._~]/.test(character) ? character : octet.toUpperCase();
}

/** RFC 3986 §5.2.4, but that nothing lies above the root. A path that begins with two slashes by this has one. */
function resolveDots(path: string): string | undefined {
  const kept: string[] = [];
  const segments = path.split('/');
  for (let i = 1; i < segments.length; i += 1) {
    const segment = segments[i] as string;
    const dot = segment === '.' || segment === '..';
    if (!dot) kept.push(segment);
    else if (segment === '..' && kept.pop() === undefined) return undefined;
    if (dot && i === segments.length - 1) kept.push('');
  }
  return `/${kept.join('/')}`.replace(/^\/{2,}/, '/');
}

/** Delimiters that stand for themselves to nearly every reader, encoded or not. */
const encodedDelimiter = /%(?:2[1467-9ABC]|3[AD]|40)/g;
/** Each splits readers in two, the last two in three: those that do not decode, and the two that disagree afterwards. */
const differences = [/%2F/, /\\/, /;/, /%(?:2[1467-9ABC]|3[AD]|40)/, /%5C/, /%5C/, /%3B/, /%3B/];
function withLenient(path: string): NormalPath {
  let ways = 0;
  for (const difference of differences) if (difference.test(path)) ways += 1;
  const unmerged = path
    .replace(/%2F|\\|%5C/g, '/')
    .replace(/(?:;|%3B)[^/]*/g, '')
    .replace(encodedDelimiter, (octet) => String.fromCharCode(Number.parseInt(octet.slice(1), 16)));
  if (unmerged.includes('//')) ways += 1;
  if (ways === 0) return { path, readings: 'one' };
  const readings = hasSlashInParameter(path) ? 'any' : ways === 1 ? 'two' : 'between';
  return { path, lenient: unmerged.replace(/\/{2,}/g, '/'), readings };
}

/** Whoever ends a parameter at its own kind of slash takes another one for a part of it. */
function hasSlashInParameter(path: string): boolean {
  return path.split('/').some((segment) => {
    const parameter = segment.search(/;|%3B/);
    return parameter >= 0 && /\\|%2F|%5C/.test(segment.slice(parameter));
  });
}
