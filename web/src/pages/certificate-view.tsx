import type { ReactNode } from 'react';
import { Link } from 'wouter';
import { Badge } from '../parts/badge.tsx';
import { Card } from '../parts/card.tsx';
import { ChainCard } from '../parts/chain-card.tsx';
import { CertificateFacts } from '../parts/certificate-facts.tsx';
import { HistoryList } from '../parts/history-list.tsx';
import { LastFailure } from '../parts/last-failure.tsx';
import { Loaded, Skeleton } from '../parts/loaded.tsx';
import { NextStep } from '../parts/next-step.tsx';
import { OutputList } from '../parts/output-list.tsx';
import { Page } from '../parts/page.tsx';
import { ReasonChain } from '../parts/reason-chain.tsx';
import { RenewButton } from '../parts/renew-button.tsx';
import { ServedBy } from '../parts/served-by.tsx';
import { Statement } from '../parts/statement.tsx';
import { ValidityBar } from '../parts/validity-bar.tsx';
import { useAnchor } from '../parts/use-anchor.ts';
import { useRenewal } from '../parts/use-renewal.ts';
import type { CertificateDetail, HistoryEntry } from '../types.ts';
import { historyPath } from '../words/text.ts';
import { deliveryLook, managedLooks, phaseLook } from '../words/status.ts';

interface CertificateViewProps {
  readonly certificate: CertificateDetail;
  readonly mayRenew: boolean;
  readonly crumb: ReactNode;
  readonly history: {
    readonly data: HistoryEntry[] | undefined;
    readonly error: Error | null;
    readonly refetch: () => Promise<unknown>;
  };
}

export function CertificateView({ certificate, mayRenew, crumb, history }: CertificateViewProps) {
  const renewal = useRenewal(certificate);
  useAnchor();
  return (
    <Page
      title={certificate.name}
      crumb={crumb}
      lead={
        <p className="badges">
          <Badge look={phaseLook(certificate)} title={certificate.phase.reason.message} />
          <Badge look={deliveryLook(certificate)} title={certificate.delivery.reason.message} />
          <Badge look={managedLooks[certificate.managed.state]} title={certificate.managed.reason.message} />
        </p>
      }
      actions={
        mayRenew &&
        certificate.managed.state === 'managed' && (
          <RenewButton renewal={renewal} issued={certificate.serial !== null} />
        )
      }
    >
      <div className="detail">
        <div className="stack">
          <Statement certificate={certificate} renewal={renewal} />
          <ValidityBar certificate={certificate} />
          {certificate.lastFailure !== null && (
            <LastFailure failure={certificate.lastFailure} failures={certificate.failures} />
          )}
          <Card title="Why" anchor="why">
            <ReasonChain checks={certificate.checks} />
          </Card>
          <Card title="Served now">
            <ServedBy entries={certificate.servedBy} />
          </Card>
          <Card title="Delivered to">
            <OutputList outputs={certificate.outputs} />
          </Card>
          <Card title="History" aside={<Link href={historyPath(certificate.id)}>All</Link>}>
            <Loaded query={history} what="The history" skeleton={<Skeleton lines={4} />}>
              {(entries) => <HistoryList entries={entries} />}
            </Loaded>
          </Card>
        </div>
        <div className="stack">
          <NextStep certificate={certificate} />
          <CertificateFacts certificate={certificate} />
          <ChainCard certificate={certificate} />
        </div>
      </div>
    </Page>
  );
}
