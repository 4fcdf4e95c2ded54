/** Memory in which frames are put together, shared by all connections of a worker: one that has nothing to send holds none. */

/** What one write to a socket carries at most, a single frame larger than that apart. */
export const slabBytes = 65_536;
/** Kept for later; more than that are given back to the garbage collector. */
const mostKept = 32;

const kept: Buffer[] = [];

/** At least `bytes` long. */
export function takeSlab(bytes: number): Buffer {
  if (bytes > slabBytes) return Buffer.allocUnsafeSlow(bytes);
  return kept.pop() ?? Buffer.allocUnsafeSlow(slabBytes);
}

/** Nobody may look at it any more. */
export function giveSlab(slab: Buffer): void {
  if (slab.length === slabBytes && kept.length < mostKept) kept.push(slab);
}
