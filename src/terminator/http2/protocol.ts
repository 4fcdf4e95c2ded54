/** Numbers of RFC 9113 and RFC 8441 that stand on the wire. */

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flag = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export const errorCode = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  enhanceYourCalm: 11,
} as const;

export const setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
  enableConnectProtocol: 8,
  noRfc7540Priorities: 9,
} as const;

export const frameHeaderBytes = 9;
/** What we announce and send at most; the least that an endpoint may announce (§6.5.2). */
export const maxFrameBytes = 16_384;
export const largestFrameSetting = 0xff_ff_ff;
export const largestWindow = 0x7f_ff_ff_ff;
export const largestStreamId = 0x7f_ff_ff_ff;
/** Of the connection and of every stream until settings or WINDOW_UPDATE say otherwise (§6.9.2). */
export const defaultWindow = 65_535;
/** HPACK's dynamic table until settings say otherwise (§6.5.2); we leave ours at that. */
export const defaultTableBytes = 4_096;

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
