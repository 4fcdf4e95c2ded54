/** The configuration after loading: every default filled in, every path absolute, every name canonical, every secret read. */
import type { CertificateSpec } from '../core/certificate.ts';
import type { KubernetesAccess, ListenAddress, TerminatorSettings } from '../core/terminator.ts';

export interface Http01SolverConfig {
  readonly kind: 'http01';
  /** Own listener, used when no terminator runs. */
  readonly listen: ListenAddress;
  /** Exact names this solver is for; with `dnsZones` both absent: every name. */
  readonly dnsNames?: readonly string[] | undefined;
  /** Zones (a name and everything below it). */
  readonly dnsZones?: readonly string[] | undefined;
}

export interface AcmeIssuerConfig {
  readonly kind: 'acme';
  readonly name: string;
  readonly directory: string;
  readonly email?: string | undefined;
  /** PEM text trusted for the ACME server's own HTTPS, instead of the system's roots. */
  readonly caBundlePem?: string | undefined;
  /** External account binding (RFC 8555 §7.3.4); `hmacKey` is base64url as the CA gave it, and a secret. */
  readonly externalAccount?: { readonly keyId: string; readonly hmacKey: string } | undefined;
  readonly solvers: readonly Http01SolverConfig[];
}

export interface CaIssuerConfig {
  readonly kind: 'ca';
  readonly name: string;
  /** Lifetime of the root. */
  readonly lifetimeMs: number;
}

export interface SelfSignedIssuerConfig {
  readonly kind: 'selfSigned';
  readonly name: string;
}

export type IssuerConfig = AcmeIssuerConfig | CaIssuerConfig | SelfSignedIssuerConfig;

export interface Config {
  /** Absolute path of the file this came from. */
  readonly file: string;
  readonly dataDir: string;
  readonly admin: {
    readonly listen: ListenAddress;
    /** Hosts the admin page answers to through the terminator. */ readonly hosts: readonly string[];
  };
  readonly metrics: { readonly listen: ListenAddress } | undefined;
  readonly issuance: { /** At most this many at once. */ readonly concurrency: number };
  readonly issuers: readonly IssuerConfig[];
  /** From the file and one for each route host no certificate covers; sorted by id. */
  readonly certificates: readonly CertificateSpec[];
  readonly kubernetes: KubernetesAccess | undefined;
  readonly terminator: TerminatorSettings | undefined;
}

export interface ConfigProblem {
  /** `certificates.shop.issuers[0]`; empty for the document itself. */
  readonly path: string;
  /** 1-based. */
  readonly line?: number | undefined;
  readonly column?: number | undefined;
  /** What is wrong and what to write instead. */
  readonly message: string;
  /** A warning does not prevent starting. */
  readonly severity: 'error' | 'warning';
}
