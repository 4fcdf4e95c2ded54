import { useInfiniteQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { certificatesQuery } from '../api/queries.ts';
import { CertificateSearch } from '../parts/certificate-search.tsx';
import { Choice } from '../parts/choice.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { Narrowed } from '../parts/narrowed.tsx';
import { Page } from '../parts/page.tsx';
import { PhaseFilter } from '../parts/phase-filter.tsx';
import {
  certificatesPath,
  sortWords,
  useCertificateFilter,
  writeFilter,
  type Sort,
} from '../words/certificate-filter.ts';
import { TableSkeleton } from './certificates-table.tsx';
import { CertificatesView } from './certificates-view.tsx';

const sorts = Object.entries(sortWords) as [Sort, string][];

export function CertificatesPage() {
  const [filter, change] = useCertificateFilter();
  const query = useInfiniteQuery(certificatesQuery(writeFilter(filter)));
  const { data, error, refetch } = query;
  const list = useMemo(
    () => data && { rows: data.pages.flatMap((page) => page.items), total: data.pages.at(-1)?.total ?? 0 },
    [data],
  );
  return (
    <Page title="Certificates">
      <div className="toolbar">
        <CertificateSearch value={filter.q} onChange={(q) => change({ q })} />
        {filter.issuer !== undefined && (
          <Narrowed to={`Issuer ${filter.issuer}`} href={certificatesPath({ ...filter, issuer: undefined })} />
        )}
        <Choice label="Order" value={filter.sort} options={sorts} onChange={(sort) => change({ sort })} />
      </div>
      <PhaseFilter filter={filter} counts={data?.pages.at(-1)?.counts} />
      <Loaded query={{ data: list, error, refetch }} what="The certificates" skeleton={<TableSkeleton />}>
        {({ rows, total }) => (
          <CertificatesView
            rows={rows}
            total={total}
            filter={filter}
            onChange={change}
            older={query.isPlaceholderData}
            more={query.hasNextPage ? () => void query.fetchNextPage() : undefined}
            loadingMore={query.isFetchingNextPage}
          />
        )}
      </Loaded>
    </Page>
  );
}
