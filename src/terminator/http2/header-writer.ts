/** Header sections on their way out: encoded straight into the frame that carries them. */
import type { FramePlace, FrameWriter } from './frame-writer.ts';
import { blockBound, HpackEncoder } from './hpack-encoder.ts';
import { flag, frameHeaderBytes, frameType, maxFrameBytes } from './protocol.ts';

export class HeaderWriter {
  readonly #encoder = new HpackEncoder();
  readonly #writer: FrameWriter;

  constructor(writer: FrameWriter) {
    this.#writer = writer;
  }

  /** The client's SETTINGS_HEADER_TABLE_SIZE. */
  limitTable(bytes: number): void {
    this.#encoder.limit(bytes);
  }

  /** `status` 0: trailers, which end the stream. */
  write(stream: { id: number; lastFrame: FramePlace }, status: number, headers: readonly string[]): void {
    const flags = flag.endHeaders | (status === 0 ? flag.endStream : 0);
    const most = blockBound(headers);
    if (most > maxFrameBytes) {
      const block = Buffer.allocUnsafeSlow(most);
      const end = this.#encoder.encode(block, 0, status, headers);
      this.#writer.longBlock(stream.id, flags & flag.endStream, block.subarray(0, end));
      stream.lastFrame.batch = -1;
      return;
    }
    const at = this.#writer.reserve(frameHeaderBytes + most);
    const start = at + frameHeaderBytes;
    const end = this.#encoder.encode(this.#writer.slab as Buffer, start, status, headers);
    this.#writer.frame(at, end - start, frameType.headers | (flags << 8), stream.id);
    this.#writer.mark(stream.lastFrame, at);
  }
}
