/** Certificates and revocation lists that decide whom to trust: the files that settings name, read for the workers. */
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { maxBundleBytes, splitChain } from '../../core/bundle.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { TerminatorSettings } from '../../core/terminator.ts';
import type { Problems } from './problems.ts';
import { WatchedFiles } from './watched-files.ts';

export interface TrustFilesDeps {
  readonly clock: Clock;
  readonly problems: Problems;
  /** The workers need the texts again. */
  onChange(): void;
}

type Kind = 'ca' | 'crl';

/** Revocation lists of large CAs have some megabytes. */
const maxBytes = 16 * 1_048_576;

export class TrustFiles {
  readonly #files: WatchedFiles;
  #kinds: ReadonlyMap<string, ReadonlySet<Kind>> = new Map();

  constructor(deps: TrustFilesDeps) {
    const check = (path: string, text: string): string | undefined => this.#check(path, text);
    this.#files = new WatchedFiles({ ...deps, check }, { name: 'trust-file', maxBytes });
  }

  /** By path; what cannot be read is missing. */
  get texts(): Readonly<Record<string, string>> {
    return this.#files.texts;
  }

  /** Resolves when the files of the settings have been read. */
  async update(settings: TerminatorSettings): Promise<void> {
    this.#kinds = filesOf(settings);
    await this.#files.watch(new Set(this.#kinds.keys()));
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#files.run(signal);
  }

  #check(path: string, text: string): string | undefined {
    for (const kind of this.#kinds.get(path) ?? []) {
      const wrong = kind === 'ca' ? checkCertificates(text) : checkRevocationLists(text);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }
}

function filesOf({ tls, hosts, backends }: TerminatorSettings): Map<string, Set<Kind>> {
  const kinds = new Map<string, Set<Kind>>();
  const add = (path: string | undefined, kind: Kind): void => {
    if (path !== undefined) kinds.set(path, (kinds.get(path) ?? new Set<Kind>()).add(kind));
  };
  for (const policy of [tls, ...hosts.map((host) => host.tls)]) {
    add(policy?.clientCertificates?.caFile, 'ca');
    add(policy?.clientCertificates?.crlFile, 'crl');
  }
  for (const backend of Object.values(backends)) for (const path of backend.tls?.caFiles ?? []) add(path, 'ca');
  return kinds;
}

function checkCertificates(text: string): string | undefined {
  if (text.length > maxBundleBytes) return 'It is larger than 1 MiB.';
  const blocks = splitChain(text);
  if (blocks.length === 0) return 'There is no CERTIFICATE block in it.';
  if (blocks.length !== count(text, 'CERTIFICATE')) return 'One of its CERTIFICATE blocks is cut short or no PEM.';
  const bad = blocks.findIndex((block) => !parses(() => new X509Certificate(block)));
  return bad < 0 ? undefined : `Its CERTIFICATE block number ${bad + 1} cannot be parsed.`;
}

const listBlock = /-----BEGIN X509 CRL-----[A-Za-z0-9+/=\s]+-----END X509 CRL-----/g;

function checkRevocationLists(text: string): string | undefined {
  const blocks = text.match(listBlock) ?? [];
  if (blocks.length === 0) return 'There is no X509 CRL block in it.';
  if (blocks.length !== count(text, 'X509 CRL')) return 'One of its X509 CRL blocks is cut short or no PEM.';
  const bad = blocks.findIndex((block) => !parses(() => createSecureContext({ ca: [], crl: block })));
  return bad < 0 ? undefined : `Its X509 CRL block number ${bad + 1} cannot be parsed.`;
}

function count(text: string, kind: string): number {
  return text.split(`-----BEGIN ${kind}-----`).length - 1;
}

function parses(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch {
    return false;
  }
}
