/** A CA for client certificates as operators have them: intermediates, revocation lists, odd names. */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const key = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const hourMs = 3_600_000;

export interface ClientOptions {
  readonly subject?: string;
  readonly names?: x509.JsonGeneralName[];
  readonly notAfter?: Date;
}

export interface ClientCertificate {
  readonly certPem: string;
  /** With the intermediate certificates up to the root, which is left out. */
  readonly chainPem: string;
  readonly keyPem: string;
  readonly serial: string;
}

export class ClientCa {
  readonly certPem: string;
  readonly #certificate: x509.X509Certificate;
  readonly #keys: webcrypto.CryptoKeyPair;
  readonly #above: readonly string[];
  #serial = 0x1000;

  private constructor(certificate: x509.X509Certificate, keys: webcrypto.CryptoKeyPair, above: readonly string[]) {
    this.#certificate = certificate;
    this.#keys = keys;
    this.#above = above;
    this.certPem = `${certificate.toString('pem')}\n`;
  }

  static async create(name: string): Promise<ClientCa> {
    const keys = await newKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      keys,
      signingAlgorithm: key,
      serialNumber: '01',
      ...validity(),
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      ],
    });
    return new ClientCa(certificate, keys, []);
  }

  async intermediate(name: string): Promise<ClientCa> {
    const keys = await newKeys();
    const certificate = await x509.X509CertificateGenerator.create({
      subject: `CN=${name}`,
      issuer: this.#certificate.subject,
      signingKey: this.#keys.privateKey,
      publicKey: keys.publicKey,
      signingAlgorithm: key,
      serialNumber: this.#nextSerial(),
      ...validity(),
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      ],
    });
    return new ClientCa(certificate, keys, [`${certificate.toString('pem')}\n`, ...this.#above]);
  }

  async issue(options: ClientOptions = {}): Promise<ClientCertificate> {
    const keys = await newKeys();
    const serial = this.#nextSerial();
    const certificate = await x509.X509CertificateGenerator.create({
      subject: options.subject ?? 'CN=client',
      issuer: this.#certificate.subject,
      signingKey: this.#keys.privateKey,
      publicKey: keys.publicKey,
      signingAlgorithm: key,
      serialNumber: serial,
      ...validity(options.notAfter),
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
        ...(options.names === undefined ? [] : [new x509.SubjectAlternativeNameExtension(options.names)]),
      ],
    });
    const certPem = `${certificate.toString('pem')}\n`;
    const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
    return {
      certPem,
      chainPem: certPem + this.#above.join(''),
      keyPem: `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`,
      serial,
    };
  }

  /** A revocation list of this CA, in PEM. */
  async revoke(serials: readonly string[], nextUpdate = new Date(Date.now() + hourMs)): Promise<string> {
    const list = await x509.X509CrlGenerator.create({
      issuer: this.#certificate.subject,
      thisUpdate: new Date(Date.now() - 2 * hourMs),
      nextUpdate,
      signingAlgorithm: key,
      signingKey: this.#keys.privateKey,
      entries: serials.map((serialNumber) => ({ serialNumber, revocationDate: new Date(Date.now() - hourMs) })),
    });
    return `${list.toString('pem').replaceAll(/(BEGIN|END) CRL/g, '$1 X509 CRL')}\n`;
  }

  #nextSerial(): string {
    this.#serial += 1;
    return this.#serial.toString(16);
  }
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(key, true, ['sign', 'verify']);
}

function validity(notAfter = new Date(Date.now() + hourMs)): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(Date.now() - 24 * hourMs), notAfter };
}
