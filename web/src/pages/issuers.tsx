import { useQuery } from '@tanstack/react-query';
import { issuersQuery } from '../api/queries.ts';
import { Loaded, Skeleton } from '../parts/loaded.tsx';
import { Page } from '../parts/page.tsx';
import { IssuersView } from './issuers-view.tsx';

export function IssuersPage() {
  const issuers = useQuery(issuersQuery);
  return (
    <Page title="Issuers">
      <Loaded
        query={issuers}
        what="The issuers"
        skeleton={
          <div className="card">
            <Skeleton lines={4} />
          </div>
        }
      >
        {(data) => <IssuersView issuers={data} />}
      </Loaded>
    </Page>
  );
}
