/** Whether something grows with the number of requests, told from samples that go up and down by themselves. */

/** `x`: requests so far. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** How much `y` rises with each `x`: the line with the least squares. */
export function slope(points: readonly Point[]): number {
  const n = points.length;
  const meanX = points.reduce((sum, { x }) => sum + x, 0) / n;
  const meanY = points.reduce((sum, { y }) => sum + y, 0) / n;
  const [products, squares] = points.reduce(
    ([xy, xx], { x, y }) => [xy + (x - meanX) * (y - meanY), xx + (x - meanX) ** 2],
    [0, 0],
  );
  return squares === 0 ? 0 : products / squares;
}

/** The samples of the second half of the load, when everything that is set up once has been. */
export function secondHalf(points: readonly Point[]): readonly Point[] {
  const last = points.at(-1)?.x ?? 0;
  return points.filter(({ x }) => x >= last / 2);
}
