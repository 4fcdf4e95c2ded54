import type { ReactNode } from 'react';
import { Icon } from './icon.tsx';

interface SortableHeaderProps {
  readonly column: string;
  /** Undefined for a column that cannot be sorted by. */
  readonly sorted: 'asc' | 'desc' | false | undefined;
  readonly onSort: () => void;
  readonly children: ReactNode;
}

export function SortableHeader({ column, sorted, onSort, children }: SortableHeaderProps) {
  if (sorted === undefined)
    return (
      <th scope="col" data-column={column}>
        {children}
      </th>
    );
  const words = { asc: 'ascending', desc: 'descending' } as const;
  return (
    <th scope="col" data-column={column} aria-sort={sorted === false ? 'none' : words[sorted]}>
      <button type="button" className="sort" onClick={onSort}>
        {children}
        <Icon name={sorted === 'desc' ? 'down' : 'up'} />
      </button>
    </th>
  );
}
