import { createHash } from 'node:crypto';
import type { Echo } from './backend.ts';
import type { LoadOptions } from './load-types.ts';

/** Why a request counts as failed. */
export class Failed extends Error {
  readonly phase: 'connect' | 'request' | 'verify';
  readonly code: string;
  readonly carried: number;

  constructor(phase: Failed['phase'], error: unknown, carried = 0) {
    const cause = error as NodeJS.ErrnoException;
    super(cause.message ?? String(error), { cause });
    this.phase = phase;
    this.code = cause.code ?? phase;
    this.carried = carried;
  }
}

export interface Expected {
  path: string;
  method: 'GET' | 'POST';
  body: Buffer;
  check(status: number, body: string, carried: number): void;
}

/** The request number is in the path, so that an answer that belongs to another request is noticed. */
export function expected(options: LoadOptions, request: number): Expected {
  const base = options.path ?? '/';
  const path = `${base}${base.includes('?') ? '&' : '?'}load=${process.pid}-${request}`;
  const body = Buffer.alloc(options.bodyBytes ?? 0, `${request};`);
  const method = body.length > 0 ? 'POST' : 'GET';
  const verify = options.verify ?? 'echo';
  const check: Expected['check'] = (status, text, carried) => {
    const wrong = (message: string): never => {
      throw new Failed('verify', new Error(`${message}; the answer was ${status} ${text.slice(0, 200)}`), carried);
    };
    if (verify !== 'echo') {
      if (status !== verify.status) wrong(`expected status ${verify.status}`);
      if (!text.includes(verify.bodyIncludes ?? '')) wrong(`expected ${verify.bodyIncludes} in the body`);
      return;
    }
    if (status !== 200) wrong('expected status 200');
    const echo = parseEcho(text) ?? wrong('expected a JSON echo');
    if (echo.url !== path || echo.method !== method) wrong(`expected the echo of ${method} ${path}`);
    if (body.length > 0 && echo.bodySha256 !== sha256(body)) wrong('the body arrived changed');
  };
  return { path, method, body, check };
}

function parseEcho(text: string): Echo | undefined {
  try {
    return JSON.parse(text) as Echo;
  } catch {
    return undefined;
  }
}

function sha256(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}
