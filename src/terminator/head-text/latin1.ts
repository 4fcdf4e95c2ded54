/**
 * Text of message heads and bytes, one character a byte. These are the methods of Buffer that `toString('latin1')` and
 * `write(…, 'latin1')` end in: heads are made of many short pieces, and each would have its encoding looked up first.
 */
interface Latin1 {
  latin1Slice(from: number, to: number): string;
  latin1Write(text: string, at: number): number;
}

export function latin1(bytes: Buffer, from: number, to: number): string {
  return (bytes as unknown as Latin1).latin1Slice(from, to);
}

/** There has to be room for it; returns how many bytes it took. */
export function writeLatin1(bytes: Buffer, text: string, at: number): number {
  return (bytes as unknown as Latin1).latin1Write(text, at);
}
