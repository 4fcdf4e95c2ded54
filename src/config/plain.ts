/**
 * Plain values of a YAML tree. Done here rather than by the yaml package for three reasons: duplicate keys in one pass,
 * an unquoted `*.name` (an alias in YAML) gets its own sentence, and what aliases expand to is bounded.
 */
import { type Alias, isAlias, isMap, isScalar, isSeq, type Node, type YAMLMap } from 'yaml';
import { formatPath, keyOf, type Path } from './position.ts';

/** Values after expanding aliases. 30,000 certificates with outputs are about half a million. */
const mostValues = 4_000_000;
const deepest = 64;

export interface PlainProblem {
  readonly path: string;
  readonly offset: number;
  readonly message: string;
}

export interface Plain {
  readonly value: unknown;
  /** What each alias stands for. */
  readonly targets: WeakMap<Alias, Node>;
  readonly problems: readonly PlainProblem[];
  /** The value is cut off, and says nothing. */
  readonly gaveUp: boolean;
}

export function toPlain(root: Node | null): Plain {
  const problems: PlainProblem[] = [];
  const targets = new WeakMap<Alias, Node>();
  const anchors = new Map<string, Node>();
  const open = new Set<Node>();
  let count = 0;
  let gaveUp = false;

  const report = (path: Path, node: Node | null, message: string): void => {
    problems.push({ path: formatPath(path), offset: node?.range?.[0] ?? 0, message });
  };

  function convert(node: Node | null, path: Path): unknown {
    if (node === null || gaveUp) return null;
    count += 1;
    if (count > mostValues || path.length > deepest) {
      gaveUp = true;
      const what =
        count > mostValues ? `more than ${mostValues} values, through aliases` : `more than ${deepest} levels`;
      report(path, node, `The file holds ${what}; write it out with less.`);
      return null;
    }
    if (isAlias(node)) return alias(node, path);
    if (node.anchor !== undefined) anchors.set(node.anchor, node);
    if (isScalar(node)) return node.value;
    if (!isMap(node) && !isSeq(node)) return null;
    open.add(node);
    const value = isMap(node)
      ? mapping(node, path)
      : node.items.map((item, i) => convert(item as Node | null, [...path, i]));
    open.delete(node);
    return value;
  }

  function mapping(node: YAMLMap, path: Path): unknown {
    // No prototype, so that a key such as __proto__ is a key like any other.
    const result = Object.create(null) as Record<string, unknown>;
    const seen = new Set<string>();
    for (const pair of node.items) {
      const keyNode = pair.key as Node | null;
      const key = keyOf(pair);
      if (key === undefined) {
        const message = isAlias(keyNode)
          ? `A key that starts with * must be in quotes; write "*${keyNode.source}".`
          : 'A key is a word, not a list or mapping; a value that begins with { or [ needs quotes.';
        report(path, keyNode, message);
        continue;
      }
      if (key === '<<') {
        report(
          [...path, key],
          keyNode,
          'Merge keys (<<) are not supported; write the options out, or use an alias for a whole value.',
        );
        continue;
      }
      if (seen.has(key))
        report([...path, key], keyNode, `The key ${JSON.stringify(key.slice(0, 80))} is here twice; keep one of them.`);
      seen.add(key);
      result[key] = convert(pair.value as Node | null, [...path, key]);
    }
    return result;
  }

  function alias(node: Alias, path: Path): unknown {
    const target = anchors.get(node.source);
    if (target === undefined) {
      const written = `*${node.source}`;
      report(path, node, sentenceForUnknownAlias(written));
      return written;
    }
    if (open.has(target)) {
      report(path, node, `*${node.source} stands inside what it refers to; write the value out.`);
      return null;
    }
    targets.set(node, target);
    return convert(target, path);
  }

  return { value: convert(root, []), targets, problems, gaveUp };
}

function sentenceForUnknownAlias(written: string): string {
  return written.startsWith('*.')
    ? `A name that starts with * must be in quotes, because * means an alias in YAML; write "${written}".`
    : `Nothing is called &${written.slice(1)} before this; put the value in quotes if it begins with *: "${written}".`;
}
