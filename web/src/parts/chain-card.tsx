import type { CertificateDetail } from '../types.ts';
import { commonName } from '../words/text.ts';
import { Card } from './card.tsx';
import { Copy } from './copy.tsx';
import { Download } from './download.tsx';
import { AbsoluteTime } from './time.tsx';

/** Leaf first, each signed by the next. */
export function ChainCard({
  certificate: { name, names, chain, chainPem },
}: {
  readonly certificate: CertificateDetail;
}) {
  if (chain.length === 0) return null;
  return (
    <Card title="Chain">
      <ol className="signers">
        {chain.map((entry, index) => (
          <li key={entry.fingerprint256}>
            <p className="strong">{commonName(entry.subject) || (index === 0 ? names[0] : 'no subject')}</p>
            <p className="meta">
              <span>{entry.key}</span>
              <span>
                until <AbsoluteTime at={entry.notAfter} />
              </span>
            </p>
          </li>
        ))}
        <li className="signed-by">
          <p className="meta">signed by {commonName(chain.at(-1)?.issuer ?? '')}</p>
        </li>
      </ol>
      {chainPem !== null && (
        <div className="card-actions">
          <Copy text={chainPem} what="chain" label="Copy PEM" />
          <Download text={chainPem} fileName={`${name.replaceAll(/[^\w.-]/g, '_')}-chain.pem`} label="Download" />
        </div>
      )}
    </Card>
  );
}
