import type { IssuanceRequest, IssuanceState, Issuer, StepResult } from '../../../src/core/ports/issuer.ts';

export interface DriveOptions {
  /** Waits as the scheduler would, or moves a manual clock. */
  readonly wait: (until: number) => Promise<void>;
  /** Starts here instead of at `begin`. */
  readonly from?: IssuanceState | undefined;
  /** Sees the state before each step, as the scheduler has just persisted it. */
  readonly before?: (state: IssuanceState) => void | Promise<void>;
  /** Sees each result. */
  readonly after?: (state: IssuanceState, result: StepResult) => void;
  /** Stops before the first step it is true for, and gives the state back. */
  readonly stopAt?: (state: IssuanceState) => boolean;
  /** The issuer of the next step, such as a new instance each time; by default the given one. */
  readonly issuerNow?: () => Issuer;
}

export type End = Exclude<StepResult, { kind: 'continue' }>;

const signal = new AbortController().signal;

/** What the scheduler does, without the scheduler: persists (as JSON), waits, takes the next step, to the end. */
export async function drive(issuer: Issuer, request: IssuanceRequest, options: DriveOptions): Promise<End> {
  const end = await driveUntil(issuer, request, options);
  if ('step' in end) throw new Error(`stopped at "${end.step}" before the end`);
  return end;
}

export async function driveUntil(
  issuer: Issuer,
  request: IssuanceRequest,
  options: DriveOptions,
): Promise<End | IssuanceState> {
  let state = persisted(options.from ?? issuer.begin(request));
  for (let steps = 0; steps < 500; steps += 1) {
    if (options.stopAt?.(state)) return state;
    await options.before?.(state);
    const result = await (options.issuerNow?.() ?? issuer).step(request, state, signal);
    options.after?.(state, result);
    if (result.kind !== 'continue') return result;
    state = persisted(result.state);
    if (result.waitUntil !== undefined) await options.wait(result.waitUntil);
  }
  throw new Error(`no end after 500 steps; the last state was "${state.step}"`);
}

export function persisted(state: IssuanceState): IssuanceState {
  return JSON.parse(JSON.stringify(state)) as IssuanceState;
}

/** The bundle; a failure is thrown with its own words. */
export function issued(end: End): Extract<End, { kind: 'issued' }> {
  if (end.kind === 'failed') throw end.error;
  return end;
}

export function failed(end: End): Extract<End, { kind: 'failed' }> {
  if (end.kind === 'issued') throw new Error('a certificate was issued, and should not have been');
  return end;
}
