import { useId, type ReactNode } from 'react';

interface CardProps {
  readonly title: string;
  /** Beside the title: a count, a switch. */
  readonly aside?: ReactNode;
  /** Anchor for links such as `#why`. */
  readonly anchor?: string;
  readonly children: ReactNode;
}

export function Card({ title, aside, anchor, children }: CardProps) {
  const heading = useId();
  return (
    <section className="card" aria-labelledby={heading} {...(anchor === undefined ? {} : { id: anchor, tabIndex: -1 })}>
      <header className="card-header">
        <h2 id={heading}>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}

/** Name and value pairs. */
export function Facts({ children }: { readonly children: ReactNode }) {
  return <dl className="facts">{children}</dl>;
}

export function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <div className="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
