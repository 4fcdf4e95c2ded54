import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { upcomingQuery } from '../api/queries.ts';
import type { Certificate } from '../types.ts';
import { actionWord } from '../words/status.ts';
import { certificatePath } from '../words/text.ts';
import { Card } from './card.tsx';
import { Loaded, Skeleton } from './loaded.tsx';
import { Empty } from './notice.tsx';
import { Ending, RelativeTime } from './time.tsx';

/** What renews next. */
export function Upcoming() {
  const upcoming = useQuery(upcomingQuery);
  return (
    <Card title="Next renewals" aside={<Link href="/certificates?phase=ready&sort=renewAt">All</Link>}>
      <Loaded query={upcoming} what="The next renewals" skeleton={<Skeleton lines={4} />}>
        {(certificates) => <UpcomingList certificates={certificates} />}
      </Loaded>
    </Card>
  );
}

function UpcomingList({ certificates }: { readonly certificates: readonly Certificate[] }) {
  if (certificates.length === 0) return <Empty title="Nothing is planned." />;
  return (
    <ul className="rows">
      {certificates.map(({ id, name, nextAction, nextActionAt, notAfter }) => (
        <li key={id} className="row upcoming">
          <Link href={certificatePath(id)} className="strong">
            {name}
          </Link>
          <span>
            {actionWord(nextAction)} {nextActionAt !== null && <RelativeTime at={nextActionAt} />}
          </span>
          {notAfter !== null && (
            <span className="quiet">
              <Ending at={notAfter} />
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}
