/** What is wanted: a certificate by name, issuers, key policy and outputs. Pure data; computed from configuration, never edited in place. */
import { createHash } from 'node:crypto';
import { canonicalNames } from './names.ts';

/** Immutable: `file/shop`, `route/shop.example.com`, `route/_wildcard.apps.localhost`, `k8s/NAMESPACE/NAME`, `seen/…`. */
export type CertificateId = string;

/** `<certificate id>#<number>`; for material that is only observed, `<certificate id>#<fingerprint prefix>`. */
export type VersionId = string;

export type KeyPolicy =
  | { readonly algorithm: 'ecdsa'; readonly size: 256 | 384 }
  | { readonly algorithm: 'rsa'; readonly size: 2048 | 3072 | 4096 };

export interface FilesOutput {
  readonly kind: 'files';
  /** Stable identity inside the certificate: `files:<absolute directory>`. */
  readonly id: string;
  readonly directory: string;
  readonly owner?: string | undefined;
  readonly group?: string | undefined;
  /** Program and arguments; run without a shell after the files have been switched. */
  readonly reloadCommand?: readonly string[] | undefined;
  readonly reloadTimeoutMs: number;
}

export interface KubernetesSecretOutput {
  readonly kind: 'kubernetesSecret';
  /** `secret:<namespace>/<name>`. */
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
}

export type OutputSpec = FilesOutput | KubernetesSecretOutput;

export interface CertificateSpec {
  readonly id: CertificateId;
  /** For people; not unique by contract. */
  readonly name: string;
  /** Canonical names (`core/names.ts`), first one is the subject where an issuer wants one. */
  readonly dnsNames: readonly string[];
  /** Issuer names in order of preference; never empty. */
  readonly issuers: readonly string[];
  readonly key: KeyPolicy;
  /** Private issuers only; absent means the issuer's default. */
  readonly lifetimeMs?: number | undefined;
  readonly outputs: readonly OutputSpec[];
}

/** The directory-safe form of a host for ids: `*.apps.localhost` becomes `_wildcard.apps.localhost`. */
export function routeCertificateId(host: string): CertificateId {
  return `route/${host.replace(/^\*\./, '_wildcard.')}`;
}

export function versionId(certificateId: CertificateId, number: number): VersionId {
  return `${certificateId}#${number}`;
}

/**
 * Digest of what the issued certificate depends on: names as a set, key policy, lifetime. Issuers and outputs are left
 * out on purpose (never §5.8): adding an output or a fallback issuer must not re-issue anything.
 */
export function specDigest(spec: Pick<CertificateSpec, 'dnsNames' | 'key' | 'lifetimeMs'>): string {
  const canonical = [canonicalNames(spec.dnsNames), spec.key.algorithm, spec.key.size, spec.lifetimeMs ?? null];
  return createHash('sha256').update(JSON.stringify(canonical)).digest('base64url').slice(0, 22);
}
