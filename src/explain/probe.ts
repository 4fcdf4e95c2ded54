/** Looks at what is really served: one TLS handshake, and the certificate the other side shows. */
import { createHash } from 'node:crypto';
import { connect, createSecureContext } from 'node:tls';

export interface ProbeTarget {
  readonly host: string;
  readonly port: number;
  /** Sent as SNI. */
  readonly servername: string;
}

export type ProbeResult =
  | { readonly kind: 'shown'; readonly serial: string; readonly fingerprint256: string; readonly notAfter: number }
  /** `code` is Node's (ECONNREFUSED, …) or `TIMEOUT`. */
  | { readonly kind: 'failed'; readonly code: string; readonly message: string };

/** Never throws but for abort (the signal's reason). What the peer shows is not verified: the question is what, not whether. */
export type Probe = (target: ProbeTarget, signal: AbortSignal) => Promise<ProbeResult>;

export function createTlsProbe({ timeoutMs = 2_000 }: { timeoutMs?: number } = {}): Probe {
  // One context for all: each tls.connect without one keeps its own alive until garbage collection.
  const secureContext = createSecureContext({ minVersion: 'TLSv1.2' });
  return async ({ host, port, servername }, signal) => {
    signal.throwIfAborted();
    const result = await new Promise<ProbeResult | undefined>((resolve) => {
      const socket = connect({
        host,
        port,
        servername,
        secureContext,
        rejectUnauthorized: false,
        ALPNProtocols: ['http/1.1'],
      });
      const finish = (outcome: ProbeResult | undefined): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        socket.destroy();
        resolve(outcome);
      };
      const onAbort = (): void => finish(undefined);
      const timer = setTimeout(
        () => finish({ kind: 'failed', code: 'TIMEOUT', message: `No answer within ${timeoutMs} ms.` }),
        timeoutMs,
      );
      signal.addEventListener('abort', onAbort, { once: true });
      socket.on('error', (error: NodeJS.ErrnoException) =>
        finish({ kind: 'failed', code: error.code ?? 'TLS', message: error.message }),
      );
      socket.once('close', () => finish({ kind: 'failed', code: 'CLOSED', message: 'The connection was closed.' }));
      socket.once('secureConnect', () => {
        const shown = socket.getPeerX509Certificate();
        finish(
          shown === undefined
            ? { kind: 'failed', code: 'NO_CERTIFICATE', message: 'No certificate was shown.' }
            : {
                kind: 'shown',
                serial: shown.serialNumber,
                fingerprint256: createHash('sha256').update(shown.raw).digest('hex'),
                notAfter: Date.parse(shown.validTo),
              },
        );
      });
    });
    if (result === undefined) throw signal.reason;
    return result;
  };
}
