import type { Dispatcher } from 'undici';
import { maxBundleBytes } from '../core/bundle.ts';
import { CertplaneError, type ProblemDocument } from '../core/errors.ts';
import { readProblem } from './problems.ts';
import { parseRetryAfter } from './retry-after.ts';

/** An answer of a CA, read to its end and parsed. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** A JSON object, or the PEM text of a certificate chain, or empty. */
  readonly body: object | string;
  readonly problem?: ProblemDocument | undefined;
  /** Milliseconds since the epoch. */
  readonly retryAt?: number | undefined;
}

/**
 * Reads an answer of at most 1 MiB. Throws `issuer.response-invalid` for what cannot be one: too large, a redirection, or
 * a success that is neither a JSON object nor PEM (a login page, a proxy's error page).
 */
export async function readAnswer(
  response: Dispatcher.ResponseData,
  { ca, now }: { readonly ca: string; readonly now: number },
): Promise<Answer> {
  const invalid = (what: string) => new CertplaneError('issuer.response-invalid', `${ca} answered ${what}.`);
  const status = response.statusCode;
  const headers = Object.fromEntries(
    Object.entries(response.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : (value ?? ''),
    ]),
  );
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBundleBytes) throw invalid('with more than 1 MiB');
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  const json = parseObject(text);
  const problem = status >= 400 ? readProblem(json) : undefined;
  const retryAt = parseRetryAfter(headers['retry-after'], now);
  if (status >= 300 && status < 400)
    throw invalid(`with a redirection (HTTP status ${status}), which ACME does not have`);
  if (status >= 400) return { status, headers, body: json ?? '', problem, retryAt };
  const body = json ?? text;
  if (typeof body === 'string' && body !== '' && !body.includes('-----BEGIN CERTIFICATE-----'))
    throw invalid(`something that is neither JSON nor a certificate (${kindOf(headers['content-type'])})`);
  return { status, headers, body, retryAt };
}

function kindOf(contentType: string | undefined): string {
  return /^[\w.+-]+\/[\w.+-]+/.exec(contentType ?? '')?.[0] ?? 'no content type';
}

function parseObject(text: string): object | undefined {
  if (!text.trimStart().startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined; // the caller says that it is no JSON
  }
}
