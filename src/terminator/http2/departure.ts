/**
 * How a connection ends (RFC 9113 §6.8): GOAWAY without a last stream, so that requests on their way are still served; once
 * the client has read it, GOAWAY with the last stream; when all streams have ended, the connection.
 */
import type { FrameWriter } from './frame-writer.ts';
import { errorCode, frameType, largestStreamId } from './protocol.ts';

/** The client answers it when it has read the GOAWAY before it, and so knows that it should open no more streams. */
const marker = Buffer.from('certpln!', 'latin1');
/** How long a client has for that. */
export const leavingMs = 1_000;
/** How long, and how much, we go on reading from a client after the last frame, so that it sees that and no reset. */
const lingerMs = 2_000;
const lingerBytes = 1_048_576;

export class Departure {
  /** The last stream that is served. */
  lastServed = largestStreamId;
  readonly #writer: FrameWriter;
  /** `closing`: all has been said; `lingering`: our side has ended. */
  #state: 'staying' | 'announced' | 'last' | 'closing' | 'lingering' = 'staying';
  #since = 0;
  #lingered = 0;

  constructor(writer: FrameWriter) {
    this.#writer = writer;
  }

  get staying(): boolean {
    return this.#state === 'staying';
  }

  /** Nothing more is served when what is open has ended. */
  get last(): boolean {
    return this.#state === 'last';
  }

  get closing(): boolean {
    return this.#state === 'closing';
  }

  get lingering(): boolean {
    return this.#state === 'lingering';
  }

  /** Frames of the client no longer count. */
  get over(): boolean {
    return this.#state === 'closing' || this.#state === 'lingering';
  }

  announce(now: number): void {
    this.#enter('announced', now);
    this.#goAway(largestStreamId, errorCode.noError, '');
    this.#writer.append(frameType.ping, 0, marker);
  }

  /** Whether a PING's answer shows that the client knows. */
  isKnown(payload: Buffer): boolean {
    return this.#state === 'announced' && payload.equals(marker);
  }

  /** The client has had its time to learn of it. */
  isOverdue(now: number): boolean {
    return this.#state === 'announced' && now - this.#since >= leavingMs;
  }

  finish(lastId: number, now: number): void {
    this.#enter('last', now);
    this.lastServed = lastId;
    this.#goAway(lastId, errorCode.noError, '');
  }

  /** With an error at once. */
  fail(lastId: number, code: number, why: string): void {
    this.#goAway(lastId, code, why);
  }

  close(now: number): void {
    this.#enter('closing', now);
  }

  linger(now: number): void {
    this.#enter('lingering', now);
  }

  /** The client has not closed its side in time, or goes on sending. */
  isEnough(now: number, bytes: number): boolean {
    this.#lingered += bytes;
    return this.#lingered > lingerBytes || (this.#state === 'lingering' && now - this.#since >= lingerMs);
  }

  #goAway(lastId: number, code: number, why: string): void {
    const payload = Buffer.alloc(8 + why.length);
    payload.writeUInt32BE(lastId, 0);
    payload.writeUInt32BE(code, 4);
    payload.write(why, 8, 'latin1');
    this.#writer.append(frameType.goAway, 0, payload);
  }

  #enter(state: 'announced' | 'last' | 'closing' | 'lingering', now: number): void {
    this.#state = state;
    this.#since = now;
  }
}
