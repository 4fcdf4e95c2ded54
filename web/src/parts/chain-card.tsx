import type { CertificateDetail } from '../types.ts';
import { commonName } from '../words/text.ts';
import { Card } from './card.tsx';
import { Copy } from './copy.tsx';
import { Download } from './download.tsx';
import { PlainTime } from './time.tsx';

/** Leaf first, each signed by the next. */
export function ChainCard({ certificate: { name, chain, chainPem } }: { readonly certificate: CertificateDetail }) {
  if (chain.length === 0) return null;
  return (
    <Card title="Chain">
      <ol className="signers">
        {chain.map((entry) => (
          <li key={entry.fingerprint256}>
            <p className="strong">{commonName(entry.subject)}</p>
            <p className="meta">
              <span>{entry.key}</span>
              <span>
                until <PlainTime at={entry.notAfter} />
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
