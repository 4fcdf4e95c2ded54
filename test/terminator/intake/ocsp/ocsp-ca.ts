/** A CA with an OCSP responder: certificates that name it, and answers signed by the openssl tool. */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as x509 from '@peculiar/x509';
import type { Bundle } from '../../../../src/core/bundle.ts';
import { tempDir, type TempDir } from '../../../support/tempdir.ts';
import { findTool, type Tool } from '../../../support/tools.ts';

const ec: KeyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const hourMs = 3_600_000;

type KeyAlgorithm = webcrypto.EcKeyGenParams & { hash: string };

interface Issued {
  readonly certPem: string;
  readonly keyPem: string;
}

export interface AnswerOptions {
  /** `V` good, `R` revoked; absent: the responder does not know the certificate. */
  readonly status?: 'V' | 'R' | undefined;
  /** Who signs: the CA itself, or one with a certificate of its. */
  readonly signer?: Issued;
  readonly args?: readonly string[];
  /** It does not say until when it holds. */
  readonly endless?: boolean;
}

export class OcspCa implements AsyncDisposable {
  readonly #dir: TempDir;
  readonly #openssl: Tool;
  readonly #certificate: x509.X509Certificate;
  readonly #keys: webcrypto.CryptoKeyPair;
  readonly own: Issued;
  #count = 0;

  private constructor(dir: TempDir, openssl: Tool, parts: [x509.X509Certificate, webcrypto.CryptoKeyPair, Issued]) {
    this.#dir = dir;
    this.#openssl = openssl;
    [this.#certificate, this.#keys, this.own] = parts;
  }

  static async create(
    name = 'OCSP CA',
    algorithm: KeyAlgorithm | webcrypto.RsaHashedKeyGenParams = ec,
  ): Promise<OcspCa> {
    const dir = await tempDir();
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      keys,
      signingAlgorithm: algorithm as KeyAlgorithm,
      serialNumber: '01',
      ...validity(),
      extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
    });
    const own = { certPem: certificate.toString('pem'), keyPem: await pem(keys.privateKey) };
    return new OcspCa(dir, await findTool('openssl'), [certificate, keys, own]);
  }

  /** With the issuer behind it, and the serial as the index has it. */
  async issue(name: string, url?: string): Promise<Bundle & { serial: string }> {
    const extensions = [
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: name }]),
      ...(url === undefined
        ? []
        : [new x509.AuthorityInfoAccessExtension({ ocsp: url, caIssuers: 'http://ca.test/ca' })]),
    ];
    const issued = await this.#issue(name, extensions);
    return { chainPem: `${issued.certPem}\n${this.own.certPem}\n`, keyPem: issued.keyPem, serial: issued.serial };
  }

  /** Somebody to sign answers. */
  async responder(options: { purpose?: boolean; notAfter?: Date } = {}): Promise<Issued> {
    const extensions = options.purpose === false ? [] : [new x509.ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.9'])];
    return await this.#issue('Responder', extensions, options.notAfter);
  }

  /** What the openssl tool answers to a request about certificates of this CA, good for a day. */
  async answer(request: Buffer, serial: string, options: AnswerOptions): Promise<Buffer> {
    this.#count += 1;
    const file = (name: string): string => this.#dir.join(`${this.#count}-${name}`);
    const { certPem, keyPem } = options.signer ?? this.own;
    await writeFile(file('request'), request);
    await writeFile(file('ca'), this.own.certPem);
    await writeFile(file('signer'), certPem);
    await writeFile(file('key'), keyPem);
    const fields = ['391231235959Z', options.status === 'R' ? '200101000000Z' : '', serial, 'unknown', '/CN=x'];
    await writeFile(file('index'), options.status === undefined ? '' : `${[options.status, ...fields].join('\t')}\n`);
    const args = ['ocsp', '-index', file('index'), '-CA', file('ca'), '-rsigner', file('signer'), '-rkey', file('key')];
    const files = ['-reqin', file('request'), '-respout', file('response')];
    const end = options.endless === true ? [] : ['-ndays', '1'];
    const result = await this.#openssl.run([...args, ...files, ...end, ...(options.args ?? [])]);
    if (result.code !== 0) throw new Error(`openssl ocsp: ${result.stdout}${result.stderr}`);
    return await readFile(file('response'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dir[Symbol.asyncDispose]();
  }

  async #issue(name: string, extensions: x509.Extension[], notAfter?: Date): Promise<Issued & { serial: string }> {
    const keys = await webcrypto.subtle.generateKey(ec, true, ['sign', 'verify']);
    this.#count += 1;
    const serial = `4A${this.#count.toString(16).padStart(6, '0').toUpperCase()}`;
    const certificate = await x509.X509CertificateGenerator.create({
      subject: `CN=${name}`,
      issuer: this.#certificate.subject,
      signingKey: this.#keys.privateKey,
      publicKey: keys.publicKey,
      signingAlgorithm: { hash: 'SHA-256', ...this.#keys.privateKey.algorithm } as KeyAlgorithm,
      serialNumber: serial,
      ...validity(notAfter),
      extensions,
    });
    return { certPem: certificate.toString('pem'), keyPem: await pem(keys.privateKey), serial };
  }
}

export interface Responder extends AsyncDisposable {
  readonly url: string;
  readonly requests: Buffer[];
}

/** An HTTP server that answers OCSP requests as the test says. */
export async function startResponder(
  handle: (request: Buffer, response: ServerResponse) => Promise<void>,
): Promise<Responder> {
  const requests: Buffer[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      requests.push(body);
      handle(body, response).catch((error: unknown) => response.destroy(error as Error));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ocsp`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      if (server.listening) await once(server, 'close');
    },
  };
}

async function pem(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

function validity(notAfter = new Date(Date.now() + 48 * hourMs)): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(Date.now() - 24 * hourMs), notAfter };
}
