import { useState, type ReactNode } from 'react';
import { Button } from 'react-aria-components';

interface FoldProps<T> {
  readonly items: readonly T[];
  /** So many are shown at first; a few more are simply shown, too. */
  readonly most: number;
  /** `names`: completes "Show all 30 …". */
  readonly what: string;
  readonly children: (shown: readonly T[]) => ReactNode;
}

/** A long list that does not push everything else away. */
export function Fold<T>({ items, most, what, children }: FoldProps<T>) {
  const [open, setOpen] = useState(false);
  if (items.length <= most + 2) return children(items);
  return (
    <>
      {children(open ? items : items.slice(0, most))}
      <Button className="fold" aria-expanded={open} onPress={() => setOpen(!open)}>
        {open ? `Show fewer ${what}` : `Show all ${items.length.toLocaleString('en-GB')} ${what}`}
      </Button>
    </>
  );
}
