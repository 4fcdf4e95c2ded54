/** Exchanges that wait for the test to answer them. */
import type { BodySink, Inbound, Outbound, Outcome } from '../../../src/terminator/proxy/exchange.ts';
import { connectTo, front } from './served.ts';

export const get = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';
export const post = (length: number): string => `POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${length}\r\n\r\n`;
export const chunkedPost = 'POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n';
export const timeouts = { headerMs: 2_000, bodyMs: 4_000, idleMs: 8_000, tunnelIdleMs: 0 };

/** Holds exchanges for the test to answer. */
export function held(options: Parameters<typeof front>[0] = {}) {
  const exchanges: { inbound: Inbound; outbound: Outbound; outcomes: Outcome[] }[] = [];
  const served = front({
    timeouts,
    ...options,
    handler: (inbound, outbound) => {
      const outcomes: Outcome[] = [];
      outbound.onClose((outcome) => outcomes.push(outcome));
      exchanges.push({ inbound, outbound, outcomes });
    },
  });
  return { ...served, exchanges, socket: connectTo(served) };
}

export function sinkOf(): BodySink & { text: string; ended: boolean } {
  const sink = {
    text: '',
    ended: false,
    onData: (chunk: Buffer) => void (sink.text += chunk.toString()),
    onEnd: () => void (sink.ended = true),
  };
  return sink;
}
