/** Asking an OCSP responder: one POST over plain HTTP (RFC 6960 appendix A), within bounds. */
import { lookup as resolve } from 'node:dns';
import { request, type RequestOptions } from 'node:http';
import { isIP } from 'node:net';
import { CertplaneError } from '../../../core/errors.ts';
import { isForbidden } from '../../upstream/addresses/forbidden.ts';

export interface AskOptions {
  /** The certificate comes from somebody who may not make us talk to this machine or its link (never §5.14). */
  readonly guarded: boolean;
  readonly signal: AbortSignal;
}

const timeoutMs = 10_000;
const maxBytes = 65_536;

/** The bytes that it answers. Throws `terminator.staple-missing` with a sentence, or the signal's reason. */
export async function askResponder(url: URL, body: Buffer, { guarded, signal }: AskOptions): Promise<Buffer> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (guarded && isIP(host) !== 0 && isForbidden(host)) throw refused(url);
  const options: RequestOptions = {
    method: 'POST',
    headers: { 'content-type': 'application/ocsp-request', 'content-length': body.length, connection: 'close' },
    agent: false,
    signal: AbortSignal.any([signal, timeout]),
    ...(guarded ? { lookup: guardedLookup } : {}),
  };
  const { promise, resolve: done, reject } = Promise.withResolvers<Buffer>();
  const sent = request(url, options, (response) => {
    if (response.statusCode !== 200) {
      response.destroy();
      reject(failed(url, `it answered with status ${response.statusCode ?? 0}`));
      return;
    }
    const chunks: Buffer[] = [];
    let length = 0;
    response.on('data', (chunk: Buffer) => {
      length += chunk.length;
      chunks.push(chunk);
      if (length > maxBytes) response.destroy(new Error(`its answer is larger than ${maxBytes} bytes`));
    });
    response.on('end', () => done(Buffer.concat(chunks)));
    response.on('error', reject);
  });
  sent.on('error', reject);
  sent.end(body);
  try {
    return await promise;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof CertplaneError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw failed(url, timeout.aborted ? `no answer within ${timeoutMs / 1_000} s` : (code ?? message), error);
  }
}

const guardedLookup: NonNullable<RequestOptions['lookup']> = (hostname, options, callback) => {
  resolve(hostname, { ...options, all: true }, (error, addresses) => {
    const allowed = (addresses ?? []).filter(({ address }) => !isForbidden(address));
    const [first] = allowed;
    if (error !== null) callback(error, '', 0);
    else if (first === undefined) callback(new Error('its name leads to this machine or its link'), '', 0);
    else if (options.all === true) callback(null, allowed);
    else callback(null, first.address, first.family);
  });
};

function refused(url: URL): CertplaneError {
  return failed(
    url,
    'the certificate names an address of this machine or its link, which only our own certificates may',
  );
}

function failed(url: URL, reason: string, cause?: unknown): CertplaneError {
  return new CertplaneError('terminator.staple-missing', `${url.host} gave no OCSP response: ${reason}.`, { cause });
}
