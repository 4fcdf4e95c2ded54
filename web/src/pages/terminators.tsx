import { useQuery } from '@tanstack/react-query';
import { terminatorsQuery } from '../api/queries.ts';
import { Loaded, Skeleton } from '../parts/loaded.tsx';
import { Page } from '../parts/page.tsx';
import { TerminatorsView } from './terminators-view.tsx';

export function TerminatorsPage() {
  const terminators = useQuery(terminatorsQuery);
  return (
    <Page title="Terminators">
      <Loaded
        query={terminators}
        what="The terminators"
        skeleton={
          <div className="card">
            <Skeleton lines={6} />
          </div>
        }
      >
        {(data) => <TerminatorsView terminators={data} />}
      </Loaded>
    </Page>
  );
}
