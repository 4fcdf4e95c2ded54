interface Node {
  readonly key: string;
  readonly at: number;
  readonly turn: number;
}

/**
 * Keys by a number each, the smallest first and among equals the one that came first; a key is there once, and is set
 * again or deleted in O(log n).
 */
export class KeyedHeap {
  readonly #nodes: Node[] = [];
  readonly #places = new Map<string, number>();
  #turn = 0;

  get size(): number {
    return this.#nodes.length;
  }

  has(key: string): boolean {
    return this.#places.has(key);
  }

  peek(): { readonly key: string; readonly at: number } | undefined {
    return this.#nodes[0];
  }

  set(key: string, at: number): void {
    const place = this.#places.get(key) ?? this.#nodes.length;
    this.#turn += 1;
    this.#put(place, { key, at, turn: this.#turn });
    this.#settle(place);
  }

  delete(key: string): boolean {
    const place = this.#places.get(key);
    if (place === undefined) return false;
    const last = this.#nodes.pop() as Node;
    this.#places.delete(key);
    if (last.key !== key) {
      this.#put(place, last);
      this.#settle(place);
    }
    return true;
  }

  pop(): { readonly key: string; readonly at: number } | undefined {
    const first = this.#nodes[0];
    if (first !== undefined) this.delete(first.key);
    return first;
  }

  #settle(from: number): void {
    let place = from;
    while (place > 0 && this.#before(place, (place - 1) >>> 1)) place = this.#swap(place, (place - 1) >>> 1);
    for (;;) {
      const left = 2 * place + 1;
      const child = this.#before(left + 1, left) ? left + 1 : left;
      if (!this.#before(child, place)) return;
      place = this.#swap(place, child);
    }
  }

  #before(a: number, b: number): boolean {
    const [first, second] = [this.#nodes[a], this.#nodes[b]];
    if (first === undefined || second === undefined) return false;
    return first.at < second.at || (first.at === second.at && first.turn < second.turn);
  }

  #swap(a: number, b: number): number {
    const [first, second] = [this.#nodes[a] as Node, this.#nodes[b] as Node];
    this.#put(a, second);
    this.#put(b, first);
    return b;
  }

  #put(place: number, node: Node): void {
    this.#nodes[place] = node;
    this.#places.set(node.key, place);
  }
}
