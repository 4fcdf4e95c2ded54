/**
 * What has been used to make two readers of one connection disagree. Each text is sent raw, with `end` behind it.
 * `nginx` says where its answer is another one than ours, and why ours is right; absent: both answer alike, and the
 * backend sees the same.
 */
export interface Attempt {
  readonly text: string;
  /** Statuses of all answers, in order. */
  readonly ours: string;
  readonly nginx?: { readonly statuses: string; readonly why: string };
}

const host = 'Host: aa.a.test\r\n';
/** The request that tells whether the connection is still understood; it ends it. */
export const end = `GET /end HTTP/1.1\r\n${host}Connection: close\r\n\r\n`;

const smuggled = `GET /smuggled HTTP/1.1\r\n${host}\r\n`;
const post = `POST / HTTP/1.1\r\n${host}`;
const get = `GET / HTTP/1.1\r\n${host}`;
const chunked = 'Transfer-Encoding: chunked\r\n';
const empty = '0\r\n\r\n';
const length = (bytes: number | string): string => `Content-Length: ${bytes}\r\n`;
const coded = (body: string): string => `${post}${chunked}\r\n${body}`;

export const attempts: Readonly<Record<string, Attempt>> = {};
