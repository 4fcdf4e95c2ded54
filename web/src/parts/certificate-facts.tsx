import type { CertificateDetail } from '../types.ts';
import { colonHex } from '../words/text.ts';
import { Card, Fact, Facts } from './card.tsx';
import { Copy } from './copy.tsx';
import { Fold } from './fold.tsx';
import { Host } from './host.tsx';

export function CertificateFacts({ certificate }: { readonly certificate: CertificateDetail }) {
  const { id, names, issuer, issuers, key, version, serial, fingerprint256 } = certificate;
  return (
    <Card title="Certificate">
      <Facts>
        <Fact name={names.length === 1 ? 'Name' : `${names.length} names`}>
          <Fold items={names} most={8} what="names">
            {(shown) => (
              <ul className="name-list">
                {shown.map((name) => (
                  <li key={name}>
                    <Host name={name} />
                  </li>
                ))}
              </ul>
            )}
          </Fold>
        </Fact>
        <Fact name="Issued by">
          {issuer ?? 'nobody yet'}
          {issuers.length > 1 && <span className="quiet"> (in order: {issuers.join(', ')})</span>}
        </Fact>
        {key !== null && <Fact name="Key">{key}</Fact>}
        {version !== null && <Fact name="Version">{version}</Fact>}
        {serial !== null && (
          <Fact name="Serial">
            <Hex text={serial} what="serial" />
          </Fact>
        )}
        {fingerprint256 !== null && (
          <Fact name="SHA-256 fingerprint">
            <Fingerprint hex={fingerprint256} />
          </Fact>
        )}
        <Fact name="Id">
          <Hex text={id} what="id" />
        </Fact>
      </Facts>
    </Card>
  );
}

function Hex({ text, what }: { readonly text: string; readonly what: string }) {
  return (
    <span className="hex">
      <code data-testid={what}>{text}</code>
      <Copy text={text} what={what} />
    </span>
  );
}

/** Breaks after every eighth byte, so that two of them can be compared by eye. */
function Fingerprint({ hex }: { readonly hex: string }) {
  const text = colonHex(hex);
  return (
    <span className="hex">
      <code data-testid="fingerprint">
        {text.match(/.{1,24}/g)?.map((part) => (
          <span key={part} className="hex-part">
            {part}
          </span>
        ))}
      </code>
      <Copy text={text} what="fingerprint" />
    </span>
  );
}
