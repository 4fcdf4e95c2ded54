/** Certificates and revocation lists that decide whom to trust: the files that settings name, read for the workers. */
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { maxBundleBytes, splitChain } from '../../core/bundle.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { TerminatorSettings } from '../../core/terminator.ts';
import { endsOfLists } from './policy-check.ts';
import type { Problems } from './problems.ts';
import { wait } from './wait.ts';
import { WatchedFiles } from './watched-files.ts';

export interface TrustFilesDeps {
  readonly clock: Clock;
  readonly problems: Problems;
  /** The workers need the texts again. */
  onChange(): void;
}

type Kind = 'ca' | 'crl';

/** How often to look at least whether a revocation list has run out: there may be new ones. */
const lookMs = 60_000;

const expiredPrefix = 'crl-expired ';
/** Revocation lists of large CAs have some megabytes. */
const maxBytes = 16 * 1_048_576;

export class TrustFiles {
  readonly #deps: TrustFilesDeps;
  readonly #files: WatchedFiles;
  readonly #ends = new Map<string, { readonly text: string; readonly ends: readonly number[] }>();
  #kinds: ReadonlyMap<string, ReadonlySet<Kind>> = new Map();

  constructor(deps: TrustFilesDeps) {
    this.#deps = deps;
    const check = (path: string, text: string): string | undefined => this.#check(path, text);
    this.#files = new WatchedFiles({ ...deps, check }, { name: 'trust-file', maxBytes });
  }

  /** By path; what cannot be read is missing. */
  get texts(): Readonly<Record<string, string>> {
    return this.#files.texts;
  }

  /** How many of its revocation lists have run out, by path; those without one are missing. */
  get endedLists(): Readonly<Record<string, number>> {
    const now = this.#deps.clock.now();
    const counts = this.#lists().map(([path, ends]) => [path, ends.filter((end) => end <= now).length] as const);
    return Object.fromEntries(counts.filter(([, count]) => count > 0));
  }

  /** Resolves when the files of the settings have been read. */
  async update(settings: TerminatorSettings): Promise<void> {
    this.#kinds = filesOf(settings);
    await this.#files.watch(new Set(this.#kinds.keys()));
    this.#showExpired();
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#files.run(signal), this.#watchAge(signal)]);
  }

  /** Sessions of clients whose list has run out are not to be resumed: the workers hear of it at once. */
  async #watchAge(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    let told = JSON.stringify(this.endedLists);
    for (;;) {
      const now = clock.now();
      const next = this.#lists().flatMap(([, ends]) => ends.filter((end) => end > now));
      if (!(await wait(clock, Math.min(now + lookMs, ...next), { signal }))) return;
      this.#showExpired();
      const ended = JSON.stringify(this.endedLists);
      if (ended !== told) this.#deps.onChange();
      told = ended;
    }
  }

  /** OpenSSL refuses every client certificate then, and without this nobody would know why. */
  #showExpired(): void {
    const { clock, problems } = this.#deps;
    const expired = new Set<string>();
    for (const [path, ends] of this.#lists()) {
      const end = Math.min(...ends);
      if (end > clock.now()) continue;
      expired.add(expiredPrefix + path);
      const message = `A revocation list in ${path} ended at ${new Date(end).toISOString()}: client certificates of its CA are refused until there is a newer one.`;
      problems.set(expiredPrefix + path, { code: 'terminator.policy-unusable', message, subject: path });
    }
    for (const key of problems.keys(expiredPrefix)) if (!expired.has(key)) problems.clear(key);
  }

  /** Each file with revocation lists, and when these end. */
  #lists(): readonly (readonly [path: string, ends: readonly number[]])[] {
    return Object.entries(this.#files.texts)
      .filter(([path]) => this.#kinds.get(path)?.has('crl') === true)
      .map(([path, text]) => [path, this.#endsOf(path, text)]);
  }

  /** Read once for each text: it may have megabytes. */
  #endsOf(path: string, text: string): readonly number[] {
    let known = this.#ends.get(path);
    if (known?.text !== text) this.#ends.set(path, (known = { text, ends: endsOfLists(text) }));
    return known.ends;
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
