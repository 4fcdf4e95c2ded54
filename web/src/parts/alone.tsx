import type { ReactNode } from 'react';
import { Mark } from './icon.tsx';

/** A page before anything of the installation is known. */
export function Alone({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <main className="alone">
      <title>{title}</title>
      <div className="login">
        <h1 className="wordmark">
          <Mark />
          Certplane
        </h1>
        {children}
      </div>
    </main>
  );
}
