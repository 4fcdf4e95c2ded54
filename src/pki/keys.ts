import { createPrivateKey, createPublicKey, generateKeyPair, webcrypto } from 'node:crypto';
import { promisify } from 'node:util';
import type { KeyPolicy } from '../core/certificate.ts';
import { CertplaneError } from '../core/errors.ts';

const generate = promisify(generateKeyPair);

/** A new private key as PKCS#8 PEM, made off the main thread (RSA takes up to seconds). */
export async function generatePrivateKey(policy: KeyPolicy): Promise<string> {
  const encoding = {
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  } as const;
  const pair =
    policy.algorithm === 'rsa'
      ? await generate('rsa', { modulusLength: policy.size, ...encoding })
      : await generate('ec', { namedCurve: policy.size === 256 ? 'P-256' : 'P-384', ...encoding });
  return pair.privateKey;
}

/** A key pair in the form that signs certificates and requests, with the signature algorithm that goes with it. */
export interface SigningKeys {
  readonly keys: webcrypto.CryptoKeyPair;
  readonly algorithm: { readonly name: string; readonly hash: string };
}

/** Throws `certificate.unparsable` for what is no PKCS#8 PEM of an RSA, P-256 or P-384 key. */
export async function loadSigningKeys(keyPem: string): Promise<SigningKeys> {
  try {
    const privateKey = createPrivateKey(keyPem);
    const publicKey = createPublicKey(privateKey);
    const [importing, signing] = algorithms(privateKey.asymmetricKeyType, privateKey.asymmetricKeyDetails?.namedCurve);
    const { subtle } = webcrypto;
    const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' });
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    return {
      keys: {
        privateKey: await subtle.importKey('pkcs8', pkcs8, importing, false, ['sign']),
        publicKey: await subtle.importKey('spki', spki, importing, true, ['verify']),
      },
      algorithm: signing,
    };
  } catch (cause) {
    throw new CertplaneError('certificate.unparsable', 'The private key is not one that can sign.', { cause });
  }
}

function algorithms(type: string | undefined, curve: string | undefined) {
  if (type === 'rsa') {
    const rsa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
    return [rsa, rsa] as const;
  }
  if (type === 'ec' && curve === 'prime256v1')
    return [
      { name: 'ECDSA', namedCurve: 'P-256' },
      { name: 'ECDSA', hash: 'SHA-256' },
    ] as const;
  if (type === 'ec' && curve === 'secp384r1')
    return [
      { name: 'ECDSA', namedCurve: 'P-384' },
      { name: 'ECDSA', hash: 'SHA-384' },
    ] as const;
  throw new TypeError(`Keys of type ${type ?? 'unknown'} ${curve ?? ''} are not supported.`);
}
