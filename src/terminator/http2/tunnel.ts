/** The bytes of a tunnel (RFC 8441 §5) as a stream of both directions. */
import { Duplex } from 'node:stream';
import type { Http2Body } from './request-body.ts';

interface TunnelStream {
  tunnelWrite(chunk: Buffer): boolean;
  tunnelEnd(): void;
  tunnelClosed(): void;
}

export class Http2Tunnel extends Duplex {
  readonly #stream: TunnelStream;
  readonly #body: Http2Body;
  #reading = false;
  #whenDrained: (() => void) | undefined;

  constructor(stream: TunnelStream, body: Http2Body) {
    super({ allowHalfOpen: true });
    this.#stream = stream;
    this.#body = body;
  }

  override _read(): void {
    if (this.#reading) {
      this.#body.resume();
      return;
    }
    this.#reading = true;
    this.#body.read({
      onData: (chunk) => {
        if (!this.push(chunk)) this.#body.pause();
      },
      onEnd: () => void this.push(null),
    });
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.#stream.tunnelWrite(chunk)) done();
    else this.#whenDrained = done;
  }

  override _final(done: () => void): void {
    this.#stream.tunnelEnd();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#stream.tunnelClosed();
    done(error);
  }

  onDrained(): void {
    const done = this.#whenDrained;
    this.#whenDrained = undefined;
    done?.();
  }
}
