/** How many there are of each state, those of which there are none included. */
export function countBy<const T extends string, V>(
  states: readonly T[],
  all: readonly V[],
  stateOf: (view: V) => T,
): Record<T, number> {
  const counts = Object.fromEntries(states.map((state) => [state, 0])) as Record<T, number>;
  for (const view of all) counts[stateOf(view)] += 1;
  return counts;
}
