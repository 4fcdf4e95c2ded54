/** SETTINGS (RFC 9113 §6.5): what a client says, and what we say. */
import { errorCode, largestFrameSetting, largestWindow, maxFrameBytes, setting } from './protocol.ts';

/** What of a client's SETTINGS changes what we do; undefined: not said. */
export interface ClientSettings {
  readonly headerTableSize: number | undefined;
  readonly initialWindowSize: number | undefined;
}

export interface ConnectionError {
  readonly code: number;
  readonly why: string;
}

const entryBytes = 6;
/** There are fewer than ten that anybody knows. */
const mostEntries = 32;

/** Reads a payload from `from` to `to`. Of a value said several times the last one counts. */
export function readSettings(bytes: Buffer, from: number, to: number): ClientSettings | ConnectionError {
  if ((to - from) % entryBytes !== 0) {
    return { code: errorCode.frameSizeError, why: 'a SETTINGS frame whose length is no multiple of 6' };
  }
  if ((to - from) / entryBytes > mostEntries) {
    return { code: errorCode.enhanceYourCalm, why: 'a SETTINGS frame with too many entries' };
  }
  let headerTableSize: number | undefined;
  let initialWindowSize: number | undefined;
  for (let at = from; at < to; at += entryBytes) {
    const value = bytes.readUInt32BE(at + 2);
    switch (bytes.readUInt16BE(at)) {
      case setting.headerTableSize:
        headerTableSize = value;
        break;
      case setting.initialWindowSize:
        if (value > largestWindow) return { code: errorCode.flowControlError, why: 'an initial window too large' };
        initialWindowSize = value;
        break;
      case setting.enablePush: // we push nothing either way
        if (value > 1) return { code: errorCode.protocolError, why: 'ENABLE_PUSH is neither 0 nor 1' };
        break;
      case setting.maxFrameSize: // we send nothing larger than the least that may be said
        if (value < maxFrameBytes || value > largestFrameSetting) {
          return { code: errorCode.protocolError, why: 'MAX_FRAME_SIZE out of its range' };
        }
        break;
      default: // RFC 9113 §6.5.2: an unknown one is ignored
        break;
    }
  }
  return { headerTableSize, initialWindowSize };
}

export function settingsPayload(entries: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(entries.length * entryBytes);
  for (const [i, [id, value]] of entries.entries()) {
    payload.writeUInt16BE(id, i * entryBytes);
    payload.writeUInt32BE(value, i * entryBytes + 2);
  }
  return payload;
}
