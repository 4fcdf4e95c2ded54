import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  informational: IncomingHttpHeaders[];
  body: string;
  trailers: Record<string, unknown>;
  rst: number;
}

/** Collects the answer on a stream of node's client until the stream is closed. */
export async function answerOn(stream: ClientHttp2Stream): Promise<Answer> {
  const answer: Answer = { status: 0, headers: {}, informational: [], body: '', trailers: {}, rst: 0 };
  stream.setEncoding('latin1');
  stream.on('headers', (found) => answer.informational.push(found));
  stream.on('response', (found) => {
    answer.status = Number(found[':status']);
    answer.headers = found;
  });
  stream.on('trailers', (found) => (answer.trailers = found));
  stream.on('data', (chunk: string) => (answer.body += chunk));
  stream.on('error', () => undefined);
  await new Promise<void>((resolve) => void stream.once('close', resolve));
  answer.rst = stream.rstCode ?? 0;
  return answer;
}

export async function ask(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders = {},
  body?: string | Buffer,
): Promise<Answer> {
  const stream = session.request({ ':path': '/', ...headers }, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  return await answerOn(stream);
}
