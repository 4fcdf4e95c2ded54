import { CertplaneError } from '../core/errors.ts';

/** Throws `process.aborted`. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted)
    throw new CertplaneError('process.aborted', 'The issuance was interrupted.', { cause: signal.reason });
}
