/** TLS towards backends: one secure context per backend and version of our client certificate, sessions per endpoint. */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import {
  checkServerIdentity,
  createSecureContext,
  getCACertificates,
  setDefaultCACertificates,
  type ConnectionOptions,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import type { BackendTls } from '../../core/backend.ts';
import { splitChain, type Bundle } from '../../core/bundle.ts';

export interface TlsReady {
  readonly options: ConnectionOptions;
  readonly alpn: Alpn | undefined;
  /** Remembers the sessions that the backend offers. */
  watch(socket: TLSSocket): void;
}

export type Alpn = 'h2' | 'http/1.1';

type Loaded = { readonly context: SecureContext } | { readonly problem: string };

export interface TlsSettings {
  readonly tls: BackendTls;
  readonly alpn: Alpn | undefined;
  /** Text of CA files by path. */
  readonly files: Readonly<Record<string, string>>;
  /** The present version of one of our certificates; undefined: there is none. */
  clientCertificate(certificateId: string): Promise<Bundle | undefined>;
}

/** What all endpoints of a backend share. A problem fails each connection with its sentence; nothing is sent unverified. */
export class BackendTlsContext {
  readonly settings: TlsSettings;
  #loaded: Loaded | undefined;
  #bundle: Bundle | undefined;
  #stale = true;
  #waiting: ((loaded: Loaded) => void)[] | undefined;

  constructor(settings: TlsSettings) {
    this.settings = settings;
    if (settings.tls.verify && settings.tls.caFiles.length === 0) trustSystem();
    if (settings.tls.clientCertificateId === undefined) this.#load(undefined);
  }

  /** New connections ask for the present version of the client certificate; open ones keep theirs. */
  certificateChanged(certificateId: string): void {
    if (this.settings.tls.clientCertificateId === certificateId) this.#stale = true;
  }

  /** Calls back at once where nothing has to be asked for. */
  use(done: (loaded: Loaded) => void): void {
    const { clientCertificateId } = this.settings.tls;
    if (this.#waiting !== undefined) {
      this.#waiting.push(done);
      return;
    }
    if (clientCertificateId === undefined || !this.#stale) {
      done(this.#loaded as Loaded);
      return;
    }
    this.#waiting = [done];
    this.#stale = false;
    this.settings.clientCertificate(clientCertificateId).then(
      (bundle) => this.#take(clientCertificateId, bundle),
      () => this.#take(clientCertificateId, undefined),
    );
  }

  #take(id: string, bundle: Bundle | undefined): void {
    if (bundle !== undefined && (bundle.chainPem !== this.#bundle?.chainPem || bundle.keyPem !== this.#bundle.keyPem))
      this.#load(bundle);
    else if (bundle === undefined) {
      // A version that has served goes on serving; without one, the next connection asks again.
      this.#stale = true;
      if (this.#bundle === undefined)
        this.#loaded = { problem: `there is no certificate ${id} to show to the backend yet` };
    }
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const done of waiting) done(this.#loaded as Loaded);
  }

  #load(bundle: Bundle | undefined): void {
    const { tls, files } = this.settings;
    const bad = tls.caFiles.find((path) => !isCertificates(files[path]));
    if (bad !== undefined) {
      const what = files[bad] === undefined ? 'cannot be read' : 'has no certificate, or one that cannot be read';
      this.#loaded = { problem: `the CA file ${bad} ${what}` };
      return;
    }
    try {
      const context = createSecureContext({
        minVersion: tls.minVersion,
        ...(tls.caFiles.length > 0 ? { ca: tls.caFiles.map((path) => files[path] as string) } : {}),
        ...(bundle === undefined ? {} : { cert: bundle.chainPem, key: bundle.keyPem }),
      });
      this.#loaded = { context };
      this.#bundle = bundle;
    } catch {
      // The last good version stays. OpenSSL's words could quote what they failed on.
      if (this.#bundle === undefined) this.#loaded = { problem: 'the client certificate cannot be loaded' };
    }
  }
}

/** What belongs to one endpoint: the name to verify, and the session to resume. */
export class EndpointTls {
  readonly #shared: BackendTlsContext;
  readonly #name: string | undefined;
  #session: { readonly context: SecureContext; readonly data: Buffer } | undefined;

  /** `host`: the name or address written in the settings; undefined for a unix socket. */
  constructor(shared: BackendTlsContext, host: string | undefined) {
    this.#shared = shared;
    this.#name = (shared.settings.tls.serverName ?? host)?.replace(/\.$/, '');
  }

  ready(done: (ready: TlsReady | { readonly problem: string }) => void): void {
    const { tls, alpn } = this.#shared.settings;
    const name = this.#name;
    if (name === undefined && tls.verify) {
      done({ problem: 'a unix socket has no name to verify: set the server name of its TLS' });
      return;
    }
    this.#shared.use((loaded) => {
      if ('problem' in loaded) {
        done(loaded);
        return;
      }
      const { context } = loaded;
      const session = this.#session?.context === context ? this.#session.data : undefined;
      const options: ConnectionOptions = {
        secureContext: context,
        rejectUnauthorized: tls.verify,
        // Verified under the name of the settings, never under the address it resolved to.
        checkServerIdentity: (_host, certificate) => checkServerIdentity(name as string, certificate),
        ...(name === undefined || isIP(name) !== 0 ? {} : { servername: name }),
        ...(alpn === undefined ? {} : { ALPNProtocols: [alpn] }),
        ...(session === undefined ? {} : { session }),
      };
      const watch = (socket: TLSSocket): void => {
        socket.on('session', (data) => (this.#session = { context, data }));
      };
      done({ options, alpn, watch });
    });
  }
}

/** OpenSSL takes what it can from a text and trusts nothing for the rest, without a word. */
function isCertificates(text: string | undefined): boolean {
  try {
    const blocks = splitChain(text ?? '');
    return blocks.length > 0 && blocks.every((block) => new X509Certificate(block).raw.length > 0);
  } catch {
    return false;
  }
}

let trusting = false;

/**
 * Makes the system's CAs the default store of this process, once: contexts without CAs of their own share it, where
 * each list of CAs costs a context a megabyte. Where the system has none, node's own list stays.
 */
function trustSystem(): void {
  if (trusting) return;
  trusting = true;
  const system = new Set(getCACertificates('system'));
  if (system.size > 0) setDefaultCACertificates([...system]);
}
