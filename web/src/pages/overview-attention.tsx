import { Link } from 'wouter';
import { Badge } from '../parts/badge.tsx';
import { Card } from '../parts/card.tsx';
import { Icon } from '../parts/icon.tsx';
import { Ending, RelativeTime } from '../parts/time.tsx';
import type { Certificate } from '../types.ts';
import { actionWord, deliveryLook, phaseLook } from '../words/status.ts';
import { certificatePath } from '../words/text.ts';

interface AttentionListProps {
  /** In the server's order: the most urgent first. */
  readonly certificates: readonly Certificate[];
  readonly total: number;
}

export function AttentionList({ certificates, total }: AttentionListProps) {
  return (
    <Card title="Needs a person" aside={total > 0 ? <span className="card-count">{total}</span> : undefined}>
      {total === 0 && (
        <p className="all-well" data-tone="ok">
          <Icon name="check-circle" />
          Nothing needs a person. What is due renews by itself.
        </p>
      )}
      <ul className="rows">
        {certificates.map((certificate) => (
          <Attention key={certificate.id} certificate={certificate} />
        ))}
      </ul>
      {total > certificates.length && (
        <p className="card-foot">
          <Link href="/certificates?attention=true">All {total}</Link>
        </p>
      )}
    </Card>
  );
}

function Attention({ certificate }: { readonly certificate: Certificate }) {
  const path = certificatePath(certificate.id);
  return (
    <li className="row attention" data-urgency={certificate.urgency}>
      <div className="attention-head">
        <Link href={path} className="strong">
          {certificate.name}
        </Link>
        <span className="badges">
          {certificate.delivery.state !== 'delivered' && certificate.delivery.state !== 'none' && (
            <Badge look={deliveryLook(certificate)} />
          )}
          <Badge look={phaseLook(certificate)} />
        </span>
      </div>
      <p className="attention-sentence server-text">{certificate.sentence}</p>
      <p className="attention-meta">
        {certificate.notAfter !== null && (
          <span className="sentence-case">
            <Ending at={certificate.notAfter} />
          </span>
        )}
        {certificate.nextActionAt !== null && (
          <span>
            {actionWord(certificate.nextAction)} <RelativeTime at={certificate.nextActionAt} />
          </span>
        )}
        <Link href={`${path}#why`} className="more">
          What to do<span className="hidden"> about {certificate.name}</span>
          <Icon name="arrow" />
        </Link>
      </p>
    </li>
  );
}
