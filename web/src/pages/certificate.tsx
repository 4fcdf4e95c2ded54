import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { usePathname } from 'wouter/use-browser-location';
import { ApiError } from '../api/client.ts';
import { certificateQuery, historyQuery } from '../api/queries.ts';
import { Empty } from '../parts/notice.tsx';
import { Loaded, Skeleton } from '../parts/loaded.tsx';
import { Page } from '../parts/page.tsx';
import { certificateIdOf } from '../words/text.ts';
import { CertificateView } from './certificate-view.tsx';

const historyLength = 20;

export function CertificatePage({ mayRenew }: { readonly mayRenew: boolean }) {
  // The raw path: an id may contain anything, an encoded percent sign included.
  const id = certificateIdOf(usePathname());
  const certificate = useQuery(certificateQuery(id));
  const filter = String(new URLSearchParams({ certificate: id }));
  const history = useInfiniteQuery(historyQuery(filter, historyLength));

  if (certificate.data === undefined && certificate.error instanceof ApiError && certificate.error.status === 404) {
    return (
      <Page title="No such certificate" crumb={<Crumb />}>
        <div className="card">
          <Empty title={`There is no certificate with the id ${id}.`}>
            <Link className="button" href="/certificates">
              Show all certificates
            </Link>
          </Empty>
        </div>
      </Page>
    );
  }
  return (
    <Loaded query={certificate} what="The certificate" skeleton={<CertificateSkeleton id={id} />}>
      {(data) => (
        <CertificateView
          key={id}
          certificate={data}
          mayRenew={mayRenew}
          crumb={<Crumb />}
          history={{ ...history, data: history.data?.pages.flat() }}
        />
      )}
    </Loaded>
  );
}

function Crumb() {
  return (
    <p className="crumb">
      <Link href="/certificates">Certificates</Link>
    </p>
  );
}

function CertificateSkeleton({ id }: { readonly id: string }) {
  return (
    <Page title={id} crumb={<Crumb />}>
      <div className="detail">
        <div className="stack">
          <div className="card">
            <Skeleton lines={3} />
          </div>
          <div className="card">
            <Skeleton lines={6} />
          </div>
        </div>
        <div className="card">
          <Skeleton lines={8} />
        </div>
      </div>
    </Page>
  );
}
