import { createSecureContext } from 'node:tls';
import { readBundle, signatureAlgorithmOf, type Bundle, type ChainFacts } from '../../core/bundle.ts';
import { CertplaneError } from '../../core/errors.ts';
import type { CertificateItem } from '../../core/feed.ts';

/**
 * Facts of a bundle that is fit to serve as what its item announces (never §5.1). Throws `certificate.unparsable`,
 * `certificate.key-mismatch` or `certificate.name-missing`.
 */
export function admit(item: CertificateItem, bundle: Bundle): ChainFacts {
  const facts = readBundle(bundle, item.names);
  if (facts.fingerprint256 !== item.fingerprint256) {
    throw new CertplaneError(
      'certificate.unparsable',
      `The material of ${item.versionId} is not the certificate that was announced.`,
    );
  }
  const kind = [facts.keyAlgorithm, signatureAlgorithmOf(bundle), bundle.chainPem.slice(leafEnd(bundle))].join('\n');
  if (accepted.has(kind)) return facts;
  try {
    // The TLS library has a mind of its own about key sizes and digests; better asked before than in a worker.
    createSecureContext({ cert: bundle.chainPem, key: bundle.keyPem });
  } catch (cause) {
    throw new CertplaneError('certificate.unparsable', 'The TLS library does not accept the certificate or its key.', {
      cause,
    });
  }
  if (accepted.size >= mostKinds) accepted.clear();
  accepted.add(kind);
  return facts;
}

/** What the library accepted once it accepts again: the same kind of key and digest under the same issuers. */
const accepted = new Set<string>();
const mostKinds = 500;

function leafEnd({ chainPem }: Bundle): number {
  return chainPem.indexOf('-----END CERTIFICATE-----') + 1;
}
