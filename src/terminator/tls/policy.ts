/** Which TLS policy holds for which host, and what makes two policies the same. */
import { createHash, X509Certificate } from 'node:crypto';
import { splitChain } from '../../core/bundle.ts';
import { wildcardFor } from '../../core/names.ts';
import type { ClientCertificates, TlsPolicy } from '../../core/tls-policy.ts';
import type { WorkerSettings } from '../ipc/messages.ts';

/** A policy with everything that it names. Hosts with equal ones share it. */
export interface ActivePolicy {
  /**
   * 32 hexadecimal digits: a digest of all that a session depends on, the text of client CAs and revocation lists
   * included. Sessions of one policy never resume under another (never §5.13).
   */
  readonly id: string;
  readonly tls: TlsPolicy;
  /** The protocols as ALPN writes them; absent: none is negotiated. */
  readonly alpn: Buffer | undefined;
  readonly client: ClientTrust | undefined;
  /** Why it cannot be put in effect: handshakes of its hosts are refused. */
  readonly unusable: string | undefined;
}

/** Who may show which client certificate. */
export interface ClientTrust extends ClientCertificates {
  /** Text of the CA file and of the revocation lists. */
  readonly ca: string;
  readonly crl: string | undefined;
  /** So many of the lists have run out: whoever was verified before that is verified anew. */
  readonly endedLists: number;
  /** Fingerprints (SHA-256, as node writes them) of the CAs. */
  readonly anchors: ReadonlySet<string>;
}

/** The policies of one set of settings. */
export class Policies {
  readonly #byName = new Map<string, ActivePolicy>();
  readonly #shared = new Map<string, ActivePolicy>();
  readonly #default: ActivePolicy;

  constructor(worker: WorkerSettings) {
    const { settings } = worker;
    this.#default = this.#activate(settings.tls, worker);
    for (const { names, tls } of settings.hosts) {
      if (tls === undefined) continue;
      const policy = this.#activate(tls, worker);
      for (const name of names) if (!this.#byName.has(name)) this.#byName.set(name, policy);
    }
  }

  /** Of a host in its canonical form: its own, then its wildcard's, then everybody's. */
  of(host: string): ActivePolicy {
    if (this.#byName.size === 0) return this.#default;
    return this.#byName.get(host) ?? this.#byName.get(wildcardFor(host) ?? '') ?? this.#default;
  }

  get ids(): ReadonlySet<string> {
    return new Set([...this.#shared.values()].map(({ id }) => id));
  }

  #activate(tls: TlsPolicy, inputs: TrustInputs): ActivePolicy {
    const text = JSON.stringify(tls);
    let policy = this.#shared.get(text);
    if (policy === undefined) this.#shared.set(text, (policy = activate(tls, inputs)));
    return policy;
  }
}

type TrustInputs = Pick<WorkerSettings, 'files' | 'endedLists'>;

function activate(tls: TlsPolicy, inputs: TrustInputs): ActivePolicy {
  const { clientCertificates: wanted } = tls;
  let client: ClientTrust | undefined;
  let unusable: string | undefined;
  try {
    client = wanted && trustOf(wanted, inputs);
  } catch (error) {
    unusable = error instanceof Error ? error.message : String(error);
  }
  return { id: idOf(tls, client), tls, alpn: alpnWire(tls.alpn), client, unusable };
}

/** Throws a sentence about what is missing. */
function trustOf(wanted: ClientCertificates, { files, endedLists }: TrustInputs): ClientTrust {
  const text = (path: string): string => {
    const found = files[path];
    if (found === undefined) throw new Error(`${path} cannot be read.`);
    return found;
  };
  const ca = text(wanted.caFile);
  const crl = wanted.crlFile === undefined ? undefined : text(wanted.crlFile);
  const anchors = new Set(splitChain(ca).map((pem) => new X509Certificate(pem).fingerprint256));
  if (anchors.size === 0) throw new Error(`${wanted.caFile} has no certificate in it.`);
  return { ...wanted, ca, crl, endedLists: endedLists?.[wanted.crlFile ?? ''] ?? 0, anchors };
}

/** HSTS and stapling are left out: they are said to a client, and a session does not depend on them. */
function idOf(tls: TlsPolicy, client: ClientTrust | undefined): string {
  const { minVersion, ciphers, curves, sessionTickets, alpn } = tls;
  // One that is not usable must not look like one without client certificates.
  const trust = client && [client.mode, client.depth, client.subjects, client.ca, client.crl, client.endedLists];
  const parts = [minVersion, ciphers, curves, sessionTickets, alpn, trust ?? tls.clientCertificates];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

/** RFC 7301 §3.1: each name behind its length. Clients of HTTP/1.0 that offer nothing else are clients of HTTP/1.1. */
function alpnWire(protocols: readonly string[]): Buffer | undefined {
  if (protocols.length === 0) return undefined;
  const names = protocols.includes('http/1.1') ? [...protocols, 'http/1.0'] : protocols;
  return Buffer.concat(names.map((name) => Buffer.from(`${String.fromCharCode(name.length)}${name}`, 'latin1')));
}
