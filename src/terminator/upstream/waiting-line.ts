import type { BackendFailure } from './backend.ts';
import type { Pulse, Pulsed } from './pulse.ts';

/** Waiting beyond this is no use to anybody. */
const mostWaiting = 1_024;

export interface InLine {
  onNone(failure: BackendFailure, detail: string): void;
}

/** Those who wait for a connection to one endpoint, first come first served, for a time. */
export class WaitingLine<T extends InLine> implements Pulsed {
  readonly #pulse: Pulse;
  readonly #waitMs: () => number;
  readonly #line: { readonly one: T; readonly since: number }[] = [];

  constructor(pulse: Pulse, waitMs: () => number) {
    this.#pulse = pulse;
    this.#waitMs = waitMs;
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const { one } of this.#line) yield one;
  }

  get length(): number {
    return this.#line.length;
  }

  /** `onNone` comes at once where the line is full. */
  push(one: T): void {
    if (this.#line.length >= mostWaiting) {
      one.onNone('backend-overloaded', `${mostWaiting} requests wait for a connection already`);
      return;
    }
    this.#line.push({ one, since: this.#pulse.now });
    if (this.#line.length === 1) this.#pulse.add(this);
  }

  shift(): T | undefined {
    const first = this.#line.shift()?.one;
    if (this.#line.length === 0) this.#pulse.delete(this);
    return first;
  }

  /** The first for whom something holds. */
  shiftWhere(holds: (one: T) => boolean): T | undefined {
    const found = this.#line.find(({ one }) => holds(one))?.one;
    if (found !== undefined) this.remove(found);
    return found;
  }

  /** True when it was in line. */
  remove(one: T): boolean {
    const at = this.#line.findIndex((place) => place.one === one);
    if (at < 0) return false;
    this.#line.splice(at, 1);
    if (this.#line.length === 0) this.#pulse.delete(this);
    return true;
  }

  /** Sends everybody away. */
  dismiss(failure: BackendFailure, detail: string): void {
    const all = this.#line.splice(0); // some come back for another try
    this.#pulse.delete(this);
    for (const { one } of all) one.onNone(failure, detail);
  }

  beat(now: number): void {
    const waitMs = this.#waitMs();
    while (this.#line[0] !== undefined && now - this.#line[0].since > waitMs)
      this.shift()?.onNone('backend-overloaded', `no connection became free within ${waitMs} ms`);
  }
}
