/** Reading and judging an OCSP response (RFC 6960 §4.2) before it is passed on. */
import { X509Certificate, verify } from 'node:crypto';
import { partsOf, sha1, type Subject } from './certificate-id.ts';
import { DerError, DerSequence, readBits, readDer, readOid, readTime, single, tags, type Der } from './der.ts';

/** A response that says "good", and how long it says so. Milliseconds since the epoch. */
export interface GoodResponse {
  readonly thisUpdate: number;
  readonly nextUpdate: number;
}

/** Why a response is not stapled, as a sentence. */
export class ResponseRefused extends Error {
  override readonly name = 'ResponseRefused';
}

/** Clocks of responders may be ahead by so much. */
const skewMs = 300_000;
/** A response is small; more than these is no responder's. */
const mostCertificates = 8;
const ocspSigning = '1.3.6.1.5.5.7.3.9';
const basicResponse = '1.3.6.1.5.5.7.48.1.1';

const statuses: Readonly<Record<number, string>> = {
  1: 'malformedRequest',
  2: 'internalError',
  3: 'tryLater',
  5: 'sigRequired',
  6: 'unauthorized',
};

/** Digests by signature algorithm; null: the algorithm has its own. */
const digests: Readonly<Record<string, string | null>> = {
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.3.101.112': null,
  '1.3.101.113': null,
};

/**
 * Throws `ResponseRefused` unless the response is signed by the issuer or by whom the issuer has told to, is about this
 * certificate, says "good", and holds now.
 */
export function judgeResponse(bytes: Buffer, subject: Subject, now: number): GoodResponse {
  try {
    return judge(bytes, subject, now);
  } catch (error) {
    if (error instanceof ResponseRefused) throw error;
    if (error instanceof DerError) throw new ResponseRefused('It is no OCSP response.', { cause: error });
    throw new ResponseRefused('A certificate in it cannot be read.', { cause: error });
  }
}

function judge(bytes: Buffer, subject: Subject, now: number): GoodResponse {
  const outer = new DerSequence(single(bytes, tags.sequence).content);
  const status = outer.take(tags.enumerated).content[0] ?? 2;
  if (status !== 0) throw new ResponseRefused(`The responder answered ${statuses[status] ?? String(status)}.`);
  const typed = new DerSequence(single(outer.take(tags.explicit(0)).content, tags.sequence).content);
  if (readOid(typed.take(tags.oid)) !== basicResponse) throw new ResponseRefused('It is of an unknown type.');
  const basic = new DerSequence(single(typed.take(tags.octetString).content, tags.sequence).content);
  const data = basic.take(tags.sequence);
  const algorithm = readOid(new DerSequence(basic.take(tags.sequence).content).takeAny());
  const signature = readBits(basic.take(tags.bitString));
  const certificates = certificatesOf(basic.optional(tags.explicit(0)));
  const fields = new DerSequence(data.content);
  fields.optional(tags.explicit(0)); // version
  const signer = findSigner(fields.takeAny(), certificates, { issuer: subject.issuer, now });
  if (!isSigned(data.whole, { algorithm, signature, signer })) throw new ResponseRefused('Its signature is not valid.');
  fields.take(tags.generalizedTime); // producedAt
  for (const one of readDer(fields.take(tags.sequence).content)) {
    const answer = readAnswer(one, subject);
    if (answer !== undefined) return checkTimes(answer, now);
  }
  throw new ResponseRefused('It says nothing about this certificate.');
}

function certificatesOf(element: Der | undefined): readonly X509Certificate[] {
  if (element === undefined) return [];
  const list = readDer(single(element.content, tags.sequence).content);
  if (list.length > mostCertificates) throw new ResponseRefused('There are too many certificates in it.');
  return list.map(({ whole }) => new X509Certificate(whole));
}

/** RFC 6960 §4.2.2.2: the issuer, or one with a certificate of the issuer's for this very purpose. */
function findSigner(
  responder: Der,
  certificates: readonly X509Certificate[],
  { issuer, now }: { issuer: X509Certificate; now: number },
): X509Certificate {
  const isMeant = (certificate: X509Certificate): boolean => {
    const { subject, key } = partsOf(certificate);
    if (responder.tag === tags.explicit(1)) return responder.content.equals(subject);
    if (responder.tag !== tags.explicit(2)) throw new DerError('That names no responder.');
    return single(responder.content, tags.octetString).content.equals(sha1(key));
  };
  if (isMeant(issuer)) return issuer;
  const signer = certificates.find(isMeant);
  if (signer === undefined) throw new ResponseRefused('Whoever signed it is not known.');
  const isDelegated =
    signer.checkIssued(issuer) && signer.verify(issuer.publicKey) && (signer.keyUsage?.includes(ocspSigning) ?? false);
  if (!isDelegated) throw new ResponseRefused('Whoever signed it may not speak for the issuer.');
  if (signer.validFromDate.getTime() > now + skewMs || signer.validToDate.getTime() < now)
    throw new ResponseRefused('The certificate of whoever signed it is not valid now.');
  return signer;
}

function isSigned(
  data: Buffer,
  { algorithm, signature, signer }: { algorithm: string; signature: Buffer; signer: X509Certificate },
): boolean {
  const digest = digests[algorithm];
  if (digest === undefined) throw new ResponseRefused(`Its signature algorithm (${algorithm}) is not supported.`);
  return verify(digest, data, signer.publicKey, signature);
}

/** Undefined when it is about another certificate. */
function readAnswer(element: Der, subject: Subject): GoodResponse | undefined {
  const fields = new DerSequence(single(element.whole, tags.sequence).content);
  const id = new DerSequence(fields.take(tags.sequence).content);
  id.take(tags.sequence); // hash algorithm: another one would give other hashes
  const isOurs =
    id.take(tags.octetString).content.equals(subject.issuerNameHash) &&
    id.take(tags.octetString).content.equals(subject.issuerKeyHash) &&
    id.take(tags.integer).content.equals(subject.serial);
  if (!isOurs) return undefined;
  const status = fields.takeAny().tag;
  if (status === tags.explicit(1)) throw new ResponseRefused('The certificate has been revoked.');
  if (status !== tags.simple(0)) throw new ResponseRefused('The responder does not know the certificate.');
  const thisUpdate = readTime(fields.take(tags.generalizedTime));
  const next = fields.optional(tags.explicit(0));
  // Without an end, a client could not tell how old it may be.
  if (next === undefined) throw new ResponseRefused('It does not say how long it holds.');
  return { thisUpdate, nextUpdate: readTime(single(next.content, tags.generalizedTime)) };
}

function checkTimes(answer: GoodResponse, now: number): GoodResponse {
  if (answer.thisUpdate > now + skewMs) throw new ResponseRefused('It is from the future.');
  if (answer.nextUpdate <= now) throw new ResponseRefused('It is out of date.');
  return answer;
}
