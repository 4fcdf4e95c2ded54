/** What OCSP calls a certificate by (RFC 6960 §4.1.1), and where to ask about it. */
import { createHash, X509Certificate } from 'node:crypto';
import { splitChain } from '../../../core/bundle.ts';
import { DerSequence, readBits, single, tags, writeDer } from './der.ts';

/** A certificate and the one that issued it. */
export interface Subject {
  /** The responder's address. */
  readonly url: URL;
  readonly issuer: X509Certificate;
  readonly serial: Buffer;
  /** SHA-1, which is what every responder knows (RFC 5019 §2.1.1); it names the issuer, nothing rests on it. */
  readonly issuerNameHash: Buffer;
  readonly issuerKeyHash: Buffer;
}

/** Undefined when the leaf names no responder. Throws `DerError`, or an error of node's, for what is no chain. */
export function subjectOf(chainPem: string): Subject | 'no-issuer' | undefined {
  const [leafPem = '', issuerPem] = splitChain(chainPem);
  const leaf = new X509Certificate(leafPem);
  const url = responderOf(leaf.infoAccess);
  if (url === undefined) return undefined;
  if (issuerPem === undefined) return 'no-issuer';
  const issuer = new X509Certificate(issuerPem);
  if (!leaf.checkIssued(issuer)) return 'no-issuer';
  const parts = partsOf(leaf);
  return {
    url,
    issuer,
    serial: parts.serial,
    issuerNameHash: sha1(parts.issuer),
    issuerKeyHash: sha1(partsOf(issuer).key),
  };
}

/** Of the form `OCSP - URI:http://…`, a line each; node quotes unusual values like JSON strings. */
function responderOf(infoAccess: string | undefined): URL | undefined {
  for (const line of (infoAccess ?? '').split('\n')) {
    const value = /^OCSP - URI:(.*)$/.exec(line)?.[1];
    if (value === undefined) continue;
    const text = value.startsWith('"') ? (JSON.parse(value) as string) : value;
    const url = text.length < 2_000 ? URL.parse(text) : null;
    if (url?.protocol === 'http:' && url.username === '') return url;
  }
  return undefined;
}

interface Parts {
  readonly serial: Buffer;
  /** Names, whole. */
  readonly issuer: Buffer;
  readonly subject: Buffer;
  /** The bits of the public key. */
  readonly key: Buffer;
}

/** RFC 5280 §4.1. */
export function partsOf(certificate: X509Certificate): Parts {
  const outer = new DerSequence(single(certificate.raw, tags.sequence).content);
  const fields = new DerSequence(outer.take(tags.sequence).content);
  fields.optional(tags.explicit(0)); // version
  const serial = fields.take(tags.integer).content;
  fields.take(tags.sequence); // signature algorithm
  const issuer = fields.take(tags.sequence).whole;
  fields.take(tags.sequence); // validity
  const subject = fields.take(tags.sequence).whole;
  const keyInfo = new DerSequence(fields.take(tags.sequence).content);
  keyInfo.take(tags.sequence); // algorithm
  return { serial, issuer, subject, key: readBits(keyInfo.take(tags.bitString)) };
}

const sha1Algorithm = writeDer(tags.sequence, Buffer.from('06052b0e03021a0500', 'hex'));

/** RFC 6960 §4.1.1, one certificate and no extensions: what can be answered from a responder's cache. */
export function requestFor({ issuerNameHash, issuerKeyHash, serial }: Subject): Buffer {
  const id = writeDer(
    tags.sequence,
    sha1Algorithm,
    writeDer(tags.octetString, issuerNameHash),
    writeDer(tags.octetString, issuerKeyHash),
    writeDer(tags.integer, serial),
  );
  const list = writeDer(tags.sequence, writeDer(tags.sequence, id));
  return writeDer(tags.sequence, writeDer(tags.sequence, list));
}

export function sha1(bytes: Buffer): Buffer {
  return createHash('sha1').update(bytes).digest();
}
