/** What a client went over, and what follows. */
export type Http2Limit =
  /** More streams than announced: REFUSED_STREAM. */
  | 'streams'
  /** Requests of the connection: GOAWAY, and those that come before the client knows are still served. */
  | 'requests'
  /** A header section: 431. */
  | 'header-bytes'
  | 'header-count'
  /** A header block that goes on and on: GOAWAY ENHANCE_YOUR_CALM. */
  | 'header-block'
  /** A header block, or the first frames of a connection, that do not come: the connection is closed. */
  | 'header-time'
  /** 413, or the stream is reset where the answer has begun. */
  | 'body-bytes'
  /** 408, or the stream is reset where the answer has begun. */
  | 'body-time'
  /** An answer that is not read: the stream is reset, or the connection closed. */
  | 'stalled'
  /** Streams reset: GOAWAY ENHANCE_YOUR_CALM. */
  | 'resets'
  /** Frames that move nothing: GOAWAY ENHANCE_YOUR_CALM. */
  | 'idle-frames';
