import { useTable, type SortingState } from '@tanstack/react-table';
import { useMemo, useRef } from 'react';
import { SortableHeader } from '../parts/sortable-header.tsx';
import { useRowWindow } from '../parts/row-window.ts';
import type { Certificate } from '../types.ts';
import type { CertificateFilter, Sort } from '../words/certificate-filter.ts';
import { columns, features } from './certificates-columns.tsx';

interface CertificatesTableProps {
  readonly rows: readonly Certificate[];
  readonly total: number;
  readonly filter: CertificateFilter;
  readonly onChange: (change: Partial<CertificateFilter>) => void;
  readonly older: boolean;
}

/** A native table; the server orders and filters, so the table model only lays out. */
export function CertificatesTable({ rows, total, filter, onChange, older }: CertificatesTableProps) {
  const body = useRef<HTMLTableSectionElement>(null);
  const sorting = useMemo(() => toSorting(filter.sort), [filter.sort]);
  const table = useTable({
    features,
    columns,
    data: rows,
    getRowId: (row) => row.id,
    manualSorting: true,
    state: { sorting },
    onSortingChange: (update) => onChange({ sort: toSort(typeof update === 'function' ? update(sorting) : update) }),
  });
  const model = table.getRowModel().rows;
  const { first, end, above, below } = useRowWindow(body, model.length);
  return (
    <table className="table certificates" aria-rowcount={total + 1} aria-busy={older} data-older={older}>
      <caption className="hidden">Certificates</caption>
      <thead>
        {table.getHeaderGroups().map((group) => (
          <tr key={group.id} aria-rowindex={1}>
            {group.headers.map((header) => (
              <SortableHeader
                key={header.id}
                column={header.column.id}
                sorted={header.column.getCanSort() ? header.column.getIsSorted() : undefined}
                onSort={() => header.column.toggleSorting()}
              >
                <table.FlexRender header={header} />
              </SortableHeader>
            ))}
          </tr>
        ))}
      </thead>
      <tbody ref={body}>
        {above > 0 && <Gap height={above} />}
        {model.slice(first, end).map((row, index) => (
          <tr key={row.id} aria-rowindex={first + index + 2} data-urgency={row.original.urgency}>
            {row.getAllCells().map((cell) => (
              // A cell is no control, whatever the rule takes it for.
              // oxlint-disable-next-line jsx-a11y/control-has-associated-label
              <td key={cell.id} data-column={cell.column.id}>
                <table.FlexRender cell={cell} />
              </td>
            ))}
          </tr>
        ))}
        {below > 0 && <Gap height={below} />}
      </tbody>
    </table>
  );
}

/** Stands for the rows that are not drawn. */
function Gap({ height }: { readonly height: number }) {
  return (
    <tr className="gap" aria-hidden="true">
      {/* oxlint-disable-next-line jsx-a11y/control-has-associated-label */}
      <td colSpan={columns.length} style={{ height }} />
    </tr>
  );
}

function toSorting(sort: Sort): SortingState {
  return sort === 'urgency' ? [] : [{ id: sort.replace('-', ''), desc: sort.startsWith('-') }];
}

function toSort([first]: SortingState): Sort {
  return first === undefined ? 'urgency' : (`${first.desc ? '-' : ''}${first.id}` as Sort);
}

export function TableSkeleton() {
  return (
    <output className="card table-skeleton">
      <span className="hidden">Loading the certificates</span>
      {Array.from({ length: 8 }, (_, row) => (
        <span key={row} className="bone-row">
          <span className="bone" />
          <span className="bone" />
          <span className="bone" />
          <span className="bone" />
        </span>
      ))}
    </output>
  );
}
