import { KeyedHeap } from './heap.ts';

/**
 * What could go on now, one queue per issuer: an issuer that is slow to answer holds up its own queue only (DESIGN §5.6).
 * Inside a queue the smallest number goes first.
 */
export class ReadyQueue {
  readonly #queues = new Map<string, KeyedHeap>();
  readonly #queueOf = new Map<string, string>();

  get size(): number {
    return this.#queueOf.size;
  }

  set(id: string, queue: string, priority: number): void {
    if (this.#queueOf.get(id) !== queue) this.delete(id);
    let heap = this.#queues.get(queue);
    if (heap === undefined) this.#queues.set(queue, (heap = new KeyedHeap()));
    heap.set(id, priority);
    this.#queueOf.set(id, queue);
  }

  delete(id: string): void {
    const queue = this.#queueOf.get(id);
    if (queue === undefined) return;
    this.#queueOf.delete(id);
    const heap = this.#queues.get(queue);
    heap?.delete(id);
    if (heap?.size === 0) this.#queues.delete(queue);
  }

  /** Takes the first of all queues that are `open`. */
  pop(open: (queue: string) => boolean): { readonly id: string; readonly queue: string } | undefined {
    let best: { key: string; at: number; queue: string } | undefined;
    for (const [queue, heap] of this.#queues) {
      const first = heap.peek();
      if (first !== undefined && first.at < (best?.at ?? Infinity) && open(queue)) best = { ...first, queue };
    }
    if (best === undefined) return undefined;
    this.delete(best.key);
    return { id: best.key, queue: best.queue };
  }
}
