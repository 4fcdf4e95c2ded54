/**
 * Anything that runs. `start` resolves when it is ready; `[Symbol.asyncDispose]` aborts what is under way, awaits it,
 * and may be called twice. The signal given to `start` ends the part as well.
 */
export interface Part extends AsyncDisposable {
  start(signal: AbortSignal): Promise<void>;
}
