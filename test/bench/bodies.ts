/** What requests and answers of the benchmarks hold; backends and load agree on it. */

/** `/small/00000042` */
export function smallPath(request: number): string {
  return `/small/${String(request % 100_000_000).padStart(8, '0')}`;
}

export const smallPadding = '.'.repeat(113);

/** 128 bytes that begin with the path, so that an answer to another request is noticed. */
export function smallBody(path: string): string {
  return path + smallPadding;
}

/** 1 MiB in which every 16 bytes are others. */
export const largeBody = Buffer.from(
  Array.from({ length: 65_536 }, (_, line) => `${String(line).padStart(15, '0')}\n`).join(''),
);

export const uploadAnswer = `${largeBody.length} bytes as expected\n`;
