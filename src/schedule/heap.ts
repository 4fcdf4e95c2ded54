interface Node {
  readonly key: string;
  readonly at: number;
}

/** Keys by a number each, the smallest first; a key is there once, and is set again or deleted in O(log n). */
export class KeyedHeap {
  readonly #nodes: Node[] = [];
  readonly #places = new Map<string, number>();

  get size(): number {
    return this.#nodes.length;
  }

  has(key: string): boolean {
    return this.#places.has(key);
  }

  peek(): Node | undefined {
    return this.#nodes[0];
  }

  set(key: string, at: number): void {
    const place = this.#places.get(key) ?? this.#nodes.length;
    this.#put(place, { key, at });
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

  pop(): Node | undefined {
    const first = this.#nodes[0];
    if (first !== undefined) this.delete(first.key);
    return first;
  }

  #settle(from: number): void {
    let place = from;
    while (place > 0 && this.#at(place) < this.#at((place - 1) >>> 1)) place = this.#swap(place, (place - 1) >>> 1);
    for (;;) {
      const left = 2 * place + 1;
      const child = this.#at(left + 1) < this.#at(left) ? left + 1 : left;
      if (this.#at(child) >= this.#at(place)) return;
      place = this.#swap(place, child);
    }
  }

  #at(place: number): number {
    return this.#nodes[place]?.at ?? Infinity;
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
