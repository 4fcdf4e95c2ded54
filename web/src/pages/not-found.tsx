import { Link } from 'wouter';
import { Empty } from '../parts/notice.tsx';
import { Page } from '../parts/page.tsx';

export function NotFoundPage() {
  return (
    <Page title="Nothing here">
      <div className="card">
        <Empty title="There is no page at this address.">
          <Link className="button" href="/">
            Go to the overview
          </Link>
        </Empty>
      </div>
    </Page>
  );
}
