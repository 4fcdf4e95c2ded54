import { createPrivateKey, generateKeyPairSync, createPublicKey, sign } from 'node:crypto';

/**
 * A self-signed certificate made at once: no promise, no thread, so that a test with a manual clock stays in step.
 * Deliberately not the code under test.
 */
export function quickCertificate(options: {
  names: readonly string[];
  notBefore: number;
  notAfter: number;
  keyPem: string;
}): string {
  const key = createPrivateKey(options.keyPem);
  serial += 1;
  const algorithm = sequence(oid([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02])); // ecdsa-with-SHA256
  const subject = sequence(
    tlv(0x31, sequence(oid([0x55, 0x04, 0x03]), tlv(0x0c, Buffer.from(options.names[0] ?? 'test')))),
  );
  const names = options.names.map((name) => tlv(0x82, Buffer.from(name)));
  const san = sequence(oid([0x55, 0x1d, 0x11]), tlv(0x04, sequence(...names)));
  const toBeSigned = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, Buffer.concat([Buffer.from([0x40]), uint32(serial)])),
    algorithm,
    subject,
    sequence(time(options.notBefore), time(options.notAfter)),
    subject,
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(san)),
  );
  const signature = sign('sha256', toBeSigned, key);
  const der = sequence(toBeSigned, algorithm, tlv(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const body = der.toString('base64').replace(/.{64}/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${body.trimEnd()}\n-----END CERTIFICATE-----\n`;
}

let serial = 0;

/** PKCS#8 PEM of a new P-256 key. */
export function quickKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' });
}

function tlv(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  if (length < 0x100) return Buffer.concat([Buffer.from([tag, 0x81, length]), content]);
  return Buffer.concat([Buffer.from([tag, 0x82, length >> 8, length & 0xff]), content]);
}

function sequence(...parts: Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(parts));
}

function oid(bytes: number[]): Buffer {
  return tlv(0x06, Buffer.from(bytes));
}

function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value);
  return buffer;
}

/** GeneralizedTime; RFC 5280 wants UTCTime before 2050, which no reader here minds. */
function time(at: number): Buffer {
  return tlv(0x18, Buffer.from(`${new Date(at).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`));
}
