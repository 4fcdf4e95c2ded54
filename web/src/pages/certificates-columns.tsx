import { createColumnHelper, rowSortingFeature, tableFeatures } from '@tanstack/react-table';
import { Link } from 'wouter';
import { Badge } from '../parts/badge.tsx';
import { Ending, RelativeTime } from '../parts/time.tsx';
import { walkRows } from '../parts/walk-rows.ts';
import type { Certificate } from '../types.ts';
import { actionWord, deliveryLook, managedLooks, phaseLook } from '../words/status.ts';
import { certificatePath, shortHex } from '../words/text.ts';

export const features = tableFeatures({ rowSortingFeature });
const helper = createColumnHelper<typeof features, Certificate>();

/** Ids of sortable columns are the API's sort words. */
export const columns = helper.columns([
  helper.accessor('name', {
    header: 'Certificate',
    sortDescFirst: false,
    cell: ({ row: { original } }) => <Name certificate={original} />,
  }),
  helper.display({
    id: 'phase',
    header: 'State',
    cell: ({ row: { original } }) => (
      <>
        <Badge look={phaseLook(original)} title={original.phase.reason.message} />
        {original.managed.state !== 'managed' && (
          <Badge look={managedLooks[original.managed.state]} title={original.managed.reason.message} />
        )}
      </>
    ),
  }),
  helper.display({
    id: 'delivery',
    header: 'Delivery',
    cell: ({ row: { original } }) => <Badge look={deliveryLook(original)} title={original.delivery.reason.message} />,
  }),
  helper.accessor('notAfter', {
    header: 'Expires',
    sortDescFirst: false,
    cell: ({ getValue }) => <Expiry at={getValue()} />,
  }),
  helper.accessor('renewAt', {
    header: 'Next',
    sortDescFirst: false,
    cell: ({ row: { original } }) => <Next certificate={original} />,
  }),
  helper.accessor('issuer', { header: 'Issuer', enableSorting: false, cell: ({ getValue }) => getValue() ?? '–' }),
  helper.accessor('serial', {
    header: 'Serial',
    enableSorting: false,
    cell: ({ getValue }) => {
      const serial = getValue();
      return serial === null ? '–' : <code title={serial}>{shortHex(serial)}</code>;
    },
  }),
]);

const urgencyWords = { none: undefined, attention: 'needs a person', critical: 'needs a person now' } as const;

function Name({ certificate: { id, name, names, urgency } }: { readonly certificate: Certificate }) {
  const shown = names.slice(0, 3).join(', ');
  const alone = names.length === 1 && names[0] === name;
  return (
    <>
      <Link href={certificatePath(id)} className="row-link" onKeyDown={walkRows}>
        {name}
        {urgencyWords[urgency] !== undefined && <span className="hidden"> {urgencyWords[urgency]}</span>}
      </Link>
      {!alone && (
        <span className="names" title={names.join('\n')}>
          {names.length > 3 ? `${shown} and ${names.length - 3} more` : shown}
        </span>
      )}
    </>
  );
}

function Next({ certificate: { nextAction, nextActionAt, nextActionReason } }: { readonly certificate: Certificate }) {
  if (nextAction === 'none') return <span title={nextActionReason.message}>–</span>;
  return (
    <span title={nextActionReason.message}>
      {actionWord(nextAction)} {nextActionAt === null ? 'soon' : <RelativeTime at={nextActionAt} />}
    </span>
  );
}

/** Under its heading the time alone; in a narrow window, where there is none, with its word. */
function Expiry({ at }: { readonly at: string | null }) {
  if (at === null) return <span className="wide-only">–</span>;
  return (
    <>
      <span className="wide-only">
        <RelativeTime at={at} />
      </span>
      <span className="narrow-only sentence-case">
        <Ending at={at} />
      </span>
    </>
  );
}
