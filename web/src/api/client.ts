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

/** The page of a certificate waits for handshakes, which have a shorter limit of their own. */
const timeoutMs = 30_000;

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
  const { response, text } = await send(path, signal, {
    method,
    headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  noteClock(response);
  if (!response.ok) throw asError(response, text);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

interface Answer {
  readonly response: Response;
  readonly text: string;
}

async function send(path: string, signal: AbortSignal | undefined, init: RequestInit): Promise<Answer> {
  const late = new AbortController();
  const timer = window.setTimeout(() => late.abort(), timeoutMs);
  try {
    const response = await fetch(`/api/v1${path}`, {
      ...init,
      signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
    });
    return { response, text: await response.text() };
  } catch (cause) {
    if (signal?.aborted) throw cause;
    if (late.signal.aborted) {
      throw new ApiError(0, 'timeout', `The control process did not answer within ${timeoutMs / 1_000} s.`, { cause });
    }
    throw new ApiError(0, 'unreachable', 'The control process does not answer.', { cause });
  } finally {
    window.clearTimeout(timer);
  }
}

function asError(response: Response, text: string): ApiError {
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
