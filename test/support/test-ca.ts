import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const KEY = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export interface LeafOptions {
  dnsNames?: string[];
  ipAddresses?: string[];
  commonName?: string;
  notBefore?: Date;
  notAfter?: Date;
  /** Gives a client certificate instead of a server one. */
  client?: boolean;
}

export interface Leaf {
  certPem: string;
  keyPem: string;
  /** Leaf first, then the CA, as servers want it. */
  fullchainPem: string;
  /** Upper-case hex, as node:crypto prints it. */
  serial: string;
}

/** A throw-away CA for the servers that tests start; deliberately not the code under test. */
export class TestCa {
  readonly certPem: string;
  readonly #certificate: x509.X509Certificate;
  readonly #keys: webcrypto.CryptoKeyPair;

  private constructor(certificate: x509.X509Certificate, keys: webcrypto.CryptoKeyPair) {
    this.#certificate = certificate;
    this.#keys = keys;
    this.certPem = certificate.toString('pem') + '\n';
  }

  static async create(commonName = 'Test CA'): Promise<TestCa> {
    const keys = await generateKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: `CN=${commonName}`,
      keys,
      signingAlgorithm: KEY,
      serialNumber: randomSerial(),
      ...validity({}),
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    return new TestCa(certificate, keys);
  }

  async issue(options: LeafOptions): Promise<Leaf> {
    const { dnsNames = [], ipAddresses = [], client = false } = options;
    const keys = await generateKeys();
    const names = [
      ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
      ...ipAddresses.map((value) => ({ type: 'ip' as const, value })),
    ];
    const serial = randomSerial();
    const certificate = await x509.X509CertificateGenerator.create({
      subject: `CN=${options.commonName ?? dnsNames[0] ?? ipAddresses[0] ?? 'test'}`,
      issuer: this.#certificate.subject,
      signingKey: this.#keys.privateKey,
      publicKey: keys.publicKey,
      signingAlgorithm: KEY,
      serialNumber: serial,
      ...validity(options),
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([
          client ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth,
        ]),
        ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
        await x509.AuthorityKeyIdentifierExtension.create(this.#certificate),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    const certPem = certificate.toString('pem') + '\n';
    return { certPem, keyPem: await keyToPem(keys.privateKey), fullchainPem: certPem + this.certPem, serial };
  }
}

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
}

async function keyToPem(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY') + '\n';
}

function validity({ notBefore, notAfter }: LeafOptions): { notBefore: Date; notAfter: Date } {
  return {
    notBefore: notBefore ?? new Date(Date.now() - 3_600_000),
    notAfter: notAfter ?? new Date(Date.now() + 30 * 24 * 3_600_000),
  };
}

/** Positive and without a leading zero byte, as RFC 5280 wants it. */
function randomSerial(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return Buffer.from(bytes).toString('hex').toUpperCase();
}
