/** Reading what a source says, event by event, with a deadline for each. */
import type { CertificateSource, SourceEvent } from '../../src/core/ports/certificate-source.ts';

const deadlineMs = 60_000;

export interface Watching extends AsyncDisposable {
  /** The next event for which `wanted` is true; the ones before it are passed over. */
  next(what: string, wanted: (event: SourceEvent) => boolean): Promise<SourceEvent>;
}

export function watchSource(source: CertificateSource): Watching {
  const stop = new AbortController();
  const events = source.subscribe({ signal: stop.signal })[Symbol.asyncIterator]();
  return {
    async next(what, wanted) {
      const timeout = AbortSignal.timeout(deadlineMs);
      const late = new Promise<never>((_, reject) => {
        timeout.addEventListener('abort', () => reject(new Error(`no event in ${deadlineMs} ms: ${what}`)), {
          once: true,
        });
      });
      for (;;) {
        const { value, done } = await Promise.race([events.next(), late]);
        if (done === true) throw new Error(`the source ended before: ${what}`);
        if (wanted(value)) return value;
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await events.return?.();
    },
  };
}
