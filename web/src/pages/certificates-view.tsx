import { Button } from 'react-aria-components';
import { Link } from 'wouter';
import { Empty } from '../parts/notice.tsx';
import type { Certificate } from '../types.ts';
import { writeFilter, type CertificateFilter } from '../words/certificate-filter.ts';
import { count } from '../words/text.ts';
import { CertificatesTable } from './certificates-table.tsx';

interface CertificatesViewProps {
  readonly rows: readonly Certificate[];
  readonly total: number;
  readonly filter: CertificateFilter;
  readonly onChange: (change: Partial<CertificateFilter>) => void;
  /** The rows are those of the filter before; new ones are on their way. */
  readonly older: boolean;
  readonly more: (() => void) | undefined;
  readonly loadingMore: boolean;
}

export function CertificatesView(props: CertificatesViewProps) {
  const { rows, total, filter, onChange, older, more, loadingMore } = props;
  const filtered = writeFilter({ ...filter, sort: 'urgency' }) !== '';
  return (
    <>
      <output className="result">
        {count(total, filtered ? 'match' : 'certificate', filtered ? 'matches' : 'certificates')}
        {rows.length < total && `, the first ${rows.length.toLocaleString('en-GB')} shown`}
      </output>
      {rows.length === 0 ? (
        <div className="card">
          <Nothing filtered={filtered} />
        </div>
      ) : (
        <CertificatesTable rows={rows} total={total} filter={filter} onChange={onChange} older={older} />
      )}
      {more !== undefined && (
        <Button className="button more-rows" onPress={more} isPending={loadingMore}>
          {loadingMore ? 'Loading' : 'Show more'}
        </Button>
      )}
    </>
  );
}

function Nothing({ filtered }: { readonly filtered: boolean }) {
  if (filtered) {
    return (
      <Empty title="No certificate matches.">
        <p>The search looks at names, ids, issuers and serials.</p>
        <Link className="button" href="/certificates">
          Show all certificates
        </Link>
      </Empty>
    );
  }
  return (
    <Empty title="There are no certificates yet.">
      <p>
        Add a certificate or a route to the configuration file and run <code className="code">certplane reload</code>.
      </p>
    </Empty>
  );
}
