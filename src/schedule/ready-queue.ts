import { KeyedHeap } from './heap.ts';
import { isSameQueue, type Queue } from './priority.ts';

/**
 * What could go on now, in queues by issuer: an issuer that is slow to answer holds up its own only (never §5.6).
 * Inside a queue the smallest number goes first.
 */
export class ReadyQueue {
  readonly #queues = new Map<string, { readonly queue: Queue; readonly heap: KeyedHeap }>();
  readonly #queueOf = new Map<string, Queue>();

  get size(): number {
    return this.#queueOf.size;
  }

  set(id: string, queue: Queue, priority: number): void {
    const before = this.#queueOf.get(id);
    if (before !== undefined && !isSameQueue(before, queue)) this.delete(id);
    const key = keyOf(queue);
    let known = this.#queues.get(key);
    if (known === undefined) this.#queues.set(key, (known = { queue, heap: new KeyedHeap() }));
    known.heap.set(id, priority);
    this.#queueOf.set(id, queue);
  }

  delete(id: string): void {
    const queue = this.#queueOf.get(id);
    if (queue === undefined) return;
    this.#queueOf.delete(id);
    const heap = this.#queues.get(keyOf(queue))?.heap;
    heap?.delete(id);
    if (heap?.size === 0) this.#queues.delete(keyOf(queue));
  }

  /** Takes the first of all queues that are `open`. */
  pop(open: (queue: Queue) => boolean): { readonly id: string; readonly queue: Queue } | undefined {
    let best: { key: string; at: number; queue: Queue } | undefined;
    for (const { queue, heap } of this.#queues.values()) {
      const first = heap.peek();
      if (first !== undefined && first.at < (best?.at ?? Infinity) && open(queue)) best = { ...first, queue };
    }
    if (best === undefined) return undefined;
    this.delete(best.key);
    return { id: best.key, queue: best.queue };
  }
}

function keyOf({ issuer, starts }: Queue): string {
  return `${starts ? 'start' : 'go on'} ${issuer}`;
}
