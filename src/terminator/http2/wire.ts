import type { FrameWriter } from './frame-writer.ts';
import type { HeaderWriter } from './header-writer.ts';
import type { Sender } from './sender.ts';

/** Where frames of a connection go. */
export interface Wire {
  readonly writer: FrameWriter;
  readonly headers: HeaderWriter;
  readonly sender: Sender;
  /** At the end of the turn there is something to do, also if no frame has been written. */
  wake(): void;
}
