import { Fragment } from 'react';

/** A host name that breaks at its dots before it breaks within a label. */
export function Host({ name }: { readonly name: string }) {
  return name.split('.').map((label, index) => (
    // Labels have no identity of their own; their place is one.
    // oxlint-disable-next-line react/no-array-index-key
    <Fragment key={index}>
      {index > 0 && (
        <>
          .<wbr />
        </>
      )}
      {label}
    </Fragment>
  ));
}
