/** One way to ask the server: JSON in and out, problem documents (RFC 9457) as `ApiError`. */
import type { Problem } from '../types.ts';

export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** 0 when there was no answer at all. */
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
    this.code = code;
  }
}

interface RequestOptions {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

/** Milliseconds the server's clock is ahead of this one; seconds of difference are noise and count as none. */
let clockAheadMs = 0;

/** The server's time: what it plans is shown against its own clock. */
export function serverNow(): number {
  return Date.now() + clockAheadMs;
}

/** Rejects with `ApiError`, or with the signal's reason. */
export async function request<T>(path: string, { method = 'GET', body, signal }: RequestOptions = {}): Promise<T> {
  const response = await send(path, {
    method,
    headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  });
  noteClock(response);
  if (!response.ok) throw await asError(response);
  const text = await response.text();
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

async function send(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(`/api/v1${path}`, init);
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new ApiError(0, 'unreachable', 'The control process does not answer.', { cause });
  }
}

async function asError(response: Response): Promise<ApiError> {
  const text = await response.text();
  try {
    const problem = JSON.parse(text) as Partial<Problem>;
    return new ApiError(
      response.status,
      problem.code ?? 'unknown',
      problem.detail ?? problem.title ?? `HTTP ${response.status}`,
    );
  } catch (cause) {
    return new ApiError(response.status, 'unknown', `The server answered HTTP ${response.status}.`, { cause });
  }
}

function noteClock(response: Response): void {
  const ahead = Date.parse(response.headers.get('date') ?? '') - Date.now();
  clockAheadMs = Math.abs(ahead) > 5_000 ? ahead : 0; // false for NaN, too
}
