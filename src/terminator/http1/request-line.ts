/** The request line (RFC 9112 §3): one space between its parts, nothing before and nothing behind. */
import { cr, lf, methodBytes, space, targetBytes } from './bytes.ts';
import type { Section } from './fields.ts';
import { startProblem } from './head-end.ts';
import { refusals, type Refusal } from './refusal.ts';
import type { Http1Request } from './request.ts';

const longestMethod = 40;
const slash = 0x2f;
const star = 0x2a;

/** Fills in method, target, version, and for an absolute target the authority; returns where the fields begin. */
export function readRequestLine(section: Section, request: Http1Request): number | Refusal {
  const { bytes, text, offset } = section;
  let at = offset;
  while (methodBytes[bytes[at] as number] === 1) at += 1;
  if (at === offset) return startProblem(bytes[at] as number);
  if (bytes[at] !== space) return lineProblem(bytes[at] as number);
  if (at - offset > longestMethod) return refusals.method;
  const method = text.slice(0, at - offset);
  const from = at + 1;
  do at += 1;
  while (targetBytes[bytes[at] as number] === 1);
  if (bytes[at] !== space || at === from)
    return bytes[at] === 0x23 ? refusals.target : lineProblem(bytes[at] as number);
  const target = text.slice(from - offset, at - offset);
  const problem = readVersion(bytes, at + 1, request);
  if (problem !== undefined) return method === 'PRI' ? refusals.http2 : problem;
  if (method === 'CONNECT') return refusals.connect;
  request.method = method;
  request.target = target;
  const first = bytes[from] as number;
  if (
    first !== slash &&
    !(first === star && target === '*' && method === 'OPTIONS') &&
    !readAbsolute(target, request)
  ) {
    return refusals.target;
  }
  return at + 11;
}

/** `HTTP/1.1` or `HTTP/1.0`, and the end of the line. */
function readVersion(bytes: Buffer, at: number, request: Http1Request): Refusal | undefined {
  const isHttp =
    bytes[at] === 0x48 &&
    bytes[at + 1] === 0x54 &&
    bytes[at + 2] === 0x54 &&
    bytes[at + 3] === 0x50 &&
    bytes[at + 4] === slash;
  const major = (bytes[at + 5] as number) - 0x30;
  const minor = (bytes[at + 7] as number) - 0x30;
  if (!isHttp || bytes[at + 6] !== 0x2e || !isDigit(major) || !isDigit(minor)) return refusals.version;
  if (bytes[at + 8] !== cr || bytes[at + 9] !== lf) return lineProblem(bytes[at + 8] as number);
  if (major > 1) return refusals.versionUnknown;
  if (major !== 1 || minor > 1) return refusals.version;
  request.version = minor === 1 ? '1.1' : '1.0';
  return undefined;
}

function isDigit(value: number): boolean {
  return value >= 0 && value <= 9;
}

/** `http://host/path?query` (RFC 9112 §3.2.2): what it says about the host replaces the Host header. */
function readAbsolute(target: string, request: Http1Request): boolean {
  const parts = /^https?:\/\/([^/?]+)(.*)$/is.exec(target);
  if (parts === null) return false;
  const [, authority, path] = parts as unknown as [string, string, string];
  request.authority = authority;
  if (path === '' && request.method === 'OPTIONS')
    request.target = '*'; // RFC 9112 §3.2.4
  else request.target = path.startsWith('/') ? path : `/${path}`;
  return true;
}

function lineProblem(byte: number): Refusal {
  return byte === lf ? refusals.bareLf : refusals.requestLine;
}
