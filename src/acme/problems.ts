/** Problem documents of ACME servers (RFC 8555 §6.7) read, bounded, and put into our codes and sentences. */
import { CertplaneError, type ErrorCode, type ProblemDocument, type SubProblem } from '../core/errors.ts';

const prefix = 'urn:ietf:params:acme:error:';
const longestText = 500;
const mostSubproblems = 100;
const mostNamed = 5;

/** What a problem type means for a request; inside a challenge or order the context decides instead. */
const codes: Readonly<Record<string, ErrorCode>> = {
  accountDoesNotExist: 'acme.account-rejected',
  badPublicKey: 'acme.account-rejected',
  badSignatureAlgorithm: 'acme.account-rejected',
  externalAccountRequired: 'acme.account-rejected',
  invalidContact: 'acme.account-rejected',
  unauthorized: 'acme.account-rejected',
  unsupportedContact: 'acme.account-rejected',
  caa: 'acme.challenge-failed',
  connection: 'acme.challenge-failed',
  dns: 'acme.challenge-failed',
  incorrectResponse: 'acme.challenge-failed',
  tls: 'acme.challenge-failed',
  rateLimited: 'acme.rate-limited',
  serverInternal: 'acme.server-error',
  badNonce: 'acme.server-error',
  userActionRequired: 'acme.terms-required',
};

/** The problem document in a parsed body, reduced to bounded plain text; undefined when it is none. */
export function readProblem(body: unknown): ProblemDocument | undefined {
  if (!isObject(body) || typeof body['type'] !== 'string') return undefined;
  const listed: readonly unknown[] = Array.isArray(body['subproblems']) ? body['subproblems'] : [];
  const subproblems = listed.slice(0, mostSubproblems).flatMap((entry) => readSubproblem(entry) ?? []);
  return {
    type: plain(body['type']),
    detail: optionalText(body['detail']),
    status: typeof body['status'] === 'number' ? body['status'] : undefined,
    instance: optionalText(body['instance']),
    subproblems: subproblems.length > 0 ? subproblems : undefined,
  };
}

/** `rateLimited` for `urn:ietf:params:acme:error:rateLimited`; other types as they are. */
export function problemKind(problem: Pick<ProblemDocument, 'type'> | undefined): string {
  const type = problem?.type ?? '';
  return type.startsWith(prefix) ? type.slice(prefix.length) : type;
}

/** The error for an answer that refuses a request. */
export function requestError(answer: {
  readonly ca: string;
  readonly status: number;
  readonly problem?: ProblemDocument | undefined;
  readonly retryAt?: number | undefined;
}): CertplaneError {
  const { ca, status, problem, retryAt } = answer;
  const code = codeOf(status, problem);
  return new CertplaneError(code, `${opening(code, ca, problem)}: ${describeProblem(problem, status)}`, {
    problem,
    retryAt,
  });
}

/** The error for names that the CA could not verify; each with the CA's words where it gave any. */
export function challengeError(
  failures: readonly { readonly name: string; readonly problem?: ProblemDocument | undefined }[],
): CertplaneError {
  const named = failures.map(({ name, problem }) => `${name} (${describeProblem(problem)})`);
  return new CertplaneError(
    'acme.challenge-failed',
    `The CA could not verify control of ${listed(named)}. The host must answer the CA over the internet as the challenge asks.`,
    {
      problem: {
        type: failures.length === 1 ? (failures[0]?.problem?.type ?? 'about:blank') : `${prefix}compound`,
        detail: failures[0]?.problem?.detail,
        subproblems: failures.map(({ name, problem }) => ({
          type: problem?.type ?? 'about:blank',
          detail: problem?.detail,
          identifier: { type: 'dns', value: name },
        })),
      },
    },
  );
}

/** The error for an order that has become invalid or cannot be used. */
export function orderError(names: readonly string[], problem: ProblemDocument | undefined): CertplaneError {
  return new CertplaneError(
    'acme.order-invalid',
    `The CA gave up the order for ${listed(names)}: ${describeProblem(problem)}`,
    { problem },
  );
}

/**
 * Whether a refusal is about these names rather than about the account or the CA as a whole. CAs say it only in words:
 * a subproblem with an identifier, "exact set", or a quoted name that one of ours is or lies below.
 */
export function concernsNames(problem: ProblemDocument | undefined, names: readonly string[]): boolean {
  if (problem === undefined) return false;
  if (problem.subproblems?.some(({ identifier }) => identifier !== undefined) === true) return true;
  const detail = problem.detail ?? '';
  if (/exact set|failed (?:authorizations|validations)/i.test(detail)) return true;
  const mentioned = new Set(detail.toLowerCase().match(/(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)+/g));
  return names.some((name) => {
    const labels = name.replace(/^\*\./, '').split('.');
    return (
      labels.some((_, i) => i < labels.length - 1 && mentioned.has(labels.slice(i).join('.'))) || mentioned.has(name)
    );
  });
}

function codeOf(status: number, problem: ProblemDocument | undefined): ErrorCode {
  const kind = problemKind(problem);
  const known = Object.hasOwn(codes, kind) ? codes[kind] : undefined; // a CA may say "toString"
  if (known !== undefined) return known;
  if (status === 429) return 'acme.rate-limited';
  if (status >= 500) return 'acme.server-error';
  return problem === undefined ? 'issuer.response-invalid' : 'acme.rejected';
}

function opening(code: ErrorCode, ca: string, problem: ProblemDocument | undefined): string {
  if (code === 'acme.rate-limited') return `${ca} refused because of a rate limit`;
  if (code === 'acme.server-error') return `${ca} has an error of its own`;
  if (code === 'acme.account-rejected')
    return problemKind(problem) === 'externalAccountRequired'
      ? `${ca} registers accounts only with an external account binding, which is not configured`
      : `${ca} refused the account`;
  if (code === 'acme.terms-required')
    return `${ca} wants its terms accepted${problem?.instance === undefined ? '' : ` at ${problem.instance}`}`;
  return `${ca} refused the request`;
}

/** `dns, "no A record" (www.example.com: dns, "no A record")`; the status where there is no document. */
function describeProblem(problem: ProblemDocument | undefined, status?: number): string {
  if (problem === undefined) return status === undefined ? 'no reason was given' : `HTTP status ${status}`;
  const parts = (problem.subproblems ?? []).map(
    (sub) => `${sub.identifier?.value ?? 'a part of it'}: ${describeProblem({ type: sub.type, detail: sub.detail })}`,
  );
  const own = problem.detail === undefined ? problemKind(problem) : `${problemKind(problem)}, "${problem.detail}"`;
  return parts.length === 0 ? own : `${own} (${listed(parts)})`;
}

function listed(items: readonly string[]): string {
  const rest = items.length - mostNamed;
  return rest > 0 ? `${items.slice(0, mostNamed).join(', ')} and ${rest} more` : items.join(', ');
}

function readSubproblem(entry: unknown): SubProblem | undefined {
  if (!isObject(entry) || typeof entry['type'] !== 'string') return undefined;
  const identifier = entry['identifier'];
  return {
    type: plain(entry['type']),
    detail: optionalText(entry['detail']),
    identifier:
      isObject(identifier) && typeof identifier['type'] === 'string' && typeof identifier['value'] === 'string'
        ? { type: plain(identifier['type']), value: plain(identifier['value']) }
        : undefined,
  };
}

function optionalText(value: unknown): string | undefined {
  return typeof value === 'string' ? plain(value) : undefined;
}

/** One bounded line: what a CA writes ends up in terminals and log lines. */
function plain(text: string): string {
  const line = text
    .slice(0, 4 * longestText)
    .replace(/[\s\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim();
  return line.length > longestText ? `${line.slice(0, longestText)}…` : line;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
