/** Where in the text something stands: paths into the document and back to line and column. */
import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type LineCounter,
  type Node,
  type Pair,
  type YAMLMap,
} from 'yaml';

/** Keys and indexes from the document's root. */
export type Path = readonly (string | number)[];

export interface Position {
  /** 1-based. */
  readonly line: number;
  readonly column: number;
}

/** `certificates.shop.issuers[0]`; a key that is no plain word is quoted: `certificates["a b"]`. */
export function formatPath(path: Path): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part.length > 80 ? `${part.slice(0, 80)}…` : part)}]`;
  }
  return text;
}

/** The key of a pair as text, or undefined when it is a mapping or a list. */
export function keyOf(pair: Pair): string | undefined {
  const { key } = pair;
  if (!isScalar(key)) return key === null ? '' : undefined;
  return key.source ?? (typeof key.value === 'string' ? key.value : '');
}

/** Finds positions; indexes each mapping only when it is first asked about. */
export class Locator {
  readonly #root: Node | null;
  readonly #lines: LineCounter;
  readonly #targets: WeakMap<Alias, Node>;
  readonly #indexes = new WeakMap<YAMLMap, Map<string, Pair>>();

  constructor(root: Node | null, lines: LineCounter, targets: WeakMap<Alias, Node>) {
    this.#root = root;
    this.#lines = lines;
    this.#targets = targets;
  }

  /** Of the value at the path, its key, or the nearest thing above that exists. */
  at(path: Path, what: 'key' | 'value'): Position | undefined {
    let node: Node | null = this.#root;
    let found: Node | null = node;
    for (const [depth, part] of path.entries()) {
      node = this.#resolve(node);
      if (isMap(node)) {
        const pair = this.#index(node).get(String(part));
        if (pair === undefined) break;
        const value = pair.value as Node | null;
        const last = depth === path.length - 1;
        // An empty value has no place of its own, and a mapping's begins on the line below its key.
        const atKey = (last && what === 'key') || value === null || isMap(value) || isSeq(value) || !value.range;
        found = atKey ? (pair.key as Node) : value;
        node = value;
      } else if (isSeq(node)) {
        const item: unknown = node.items[Number(part)];
        if (item === undefined) break;
        node = item as Node;
        found = node;
      } else break;
    }
    const offset = found?.range?.[0];
    return offset === undefined ? undefined : this.ofOffset(offset);
  }

  ofOffset(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { line, column: col };
  }

  #resolve(node: Node | null): Node | null {
    return isAlias(node) ? (this.#targets.get(node) ?? null) : node;
  }

  #index(map: YAMLMap): Map<string, Pair> {
    let index = this.#indexes.get(map);
    if (index === undefined) {
      index = new Map();
      for (const pair of map.items) {
        const key = keyOf(pair);
        if (key !== undefined) index.set(key, pair);
      }
      this.#indexes.set(map, index);
    }
    return index;
  }
}
