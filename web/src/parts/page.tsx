import type { ReactNode } from 'react';

interface PageProps {
  readonly title: string;
  /** Above the title: where the page hangs. */
  readonly crumb?: ReactNode;
  readonly lead?: ReactNode;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}

export function Page({ title, crumb, lead, actions, children }: PageProps) {
  return (
    <>
      <title>{`${title} · Certplane`}</title>
      <header className="page-header">
        <div className="page-titles">
          {crumb}
          <h1>{title}</h1>
          {lead}
        </div>
        {actions}
      </header>
      {children}
    </>
  );
}
