/** How a host is spoken to over TLS. */

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

export interface ClientCertificates {
  /** `optional`: without one, or with one that does not verify, the request goes on and says so to the backend. */
  readonly mode: 'require' | 'optional';
  /** PEM file with the trusted CAs, absolute. */
  readonly caFile: string;
  /** PEM file with the CAs' revocation lists, absolute. */
  readonly crlFile?: string | undefined;
  /** Most intermediate certificates between client and CA. */
  readonly depth: number;
  /** At least one has to match a subject alternative name or the common name; `*` stands for anything inside. Empty: any. */
  readonly subjects: readonly string[];
}

/** Strict-Transport-Security (RFC 6797). */
export interface Hsts {
  readonly maxAgeSeconds: number;
  readonly includeSubdomains: boolean;
  readonly preload: boolean;
}

export interface TlsPolicy {
  readonly minVersion: TlsVersion;
  /** TLS 1.2 cipher suites by OpenSSL's names; those of TLS 1.3 are OpenSSL's own. The client's preference decides. */
  readonly ciphers: readonly string[];
  /** Groups for the key exchange. The client's preference decides. */
  readonly curves: readonly string[];
  readonly sessionTickets: boolean;
  readonly alpn: readonly ('h2' | 'http/1.1')[];
  readonly ocspStapling: boolean;
  readonly clientCertificates?: ClientCertificates | undefined;
  readonly hsts?: Hsts | undefined;
}

const curves = ['X25519MLKEM768', 'X25519', 'prime256v1', 'secp384r1'] as const;

const common = {
  curves,
  sessionTickets: true,
  alpn: ['h2', 'http/1.1'],
  ocspStapling: true,
} as const satisfies Partial<TlsPolicy>;

/** Mozilla's server side TLS guidelines, version 5.7: https://ssl-config.mozilla.org/guidelines/5.7.json */
export const tlsPresets = {
  modern: { ...common, minVersion: 'TLSv1.3', ciphers: [] },
  intermediate: {
    ...common,
    minVersion: 'TLSv1.2',
    ciphers: [
      'ECDHE-ECDSA-AES128-GCM-SHA256',
      'ECDHE-RSA-AES128-GCM-SHA256',
      'ECDHE-ECDSA-AES256-GCM-SHA384',
      'ECDHE-RSA-AES256-GCM-SHA384',
      'ECDHE-ECDSA-CHACHA20-POLY1305',
      'ECDHE-RSA-CHACHA20-POLY1305',
    ],
  },
} as const satisfies Record<string, TlsPolicy>;
