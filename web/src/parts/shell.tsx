import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, type ReactNode } from 'react';
import { Button } from 'react-aria-components';
import { Link, useLocation } from 'wouter';
import type { Connection } from '../api/live.ts';
import { overviewQuery } from '../api/queries.ts';
import type { Session } from '../types.ts';
import { Announcer } from './announce.tsx';
import { ConnectionState } from './connection.tsx';
import { Icon, Mark, type IconName } from './icon.tsx';
import { ThemeSwitch } from './theme.tsx';

const places: readonly (readonly [path: string, words: string, icon: IconName])[] = [
  ['/', 'Overview', 'overview'],
  ['/certificates', 'Certificates', 'certificate'],
  ['/issuers', 'Issuers', 'issuer'],
  ['/terminators', 'Terminators', 'terminator'],
  ['/history', 'History', 'history'],
];

interface ShellProps {
  readonly session: Session;
  readonly connection: Connection;
  readonly onLogOut: () => void;
  readonly children: ReactNode;
}

export function Shell({ session, connection, onLogOut, children }: ShellProps) {
  const [path] = useLocation();
  const main = useMainFocus(path);
  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to content
      </a>
      <header className="bar">
        <div className="bar-inner">
          <Link className="wordmark" href="/">
            <Mark />
            Certplane
          </Link>
          <Navigation path={path} />
          <div className="bar-foot">
            <ConnectionState connection={connection} />
            <ThemeSwitch />
            <div className="who">
              <span className="who-name" title={`Logged in as ${session.actor}`}>
                {session.role === 'admin' ? 'Admin' : 'Viewer'}
              </span>
              <Button className="icon-button" aria-label="Log out" onPress={onLogOut}>
                <Icon name="leave" />
              </Button>
            </div>
          </div>
        </div>
      </header>
      <main id="main" className="main" tabIndex={-1} ref={main}>
        {children}
      </main>
      <Announcer />
    </div>
  );
}

function Navigation({ path }: { readonly path: string }) {
  const attention = useQuery(overviewQuery).data?.attentionTotal ?? 0;
  return (
    <nav className="places" aria-label="Pages">
      {places.map(([href, words, icon]) => (
        <Link
          key={href}
          href={href}
          className="place"
          aria-current={path === href ? 'page' : href !== '/' && path.startsWith(href) ? 'true' : undefined}
        >
          <Icon name={icon} />
          <span className="place-words">{words}</span>
          {href === '/' && attention > 0 && (
            <span className="place-count">
              {attention}
              <span className="hidden"> need a person</span>
            </span>
          )}
        </Link>
      ))}
    </nav>
  );
}

/** A new page starts at its top, and is where the keyboard is; the first one is left alone. */
function useMainFocus(path: string) {
  const main = useRef<HTMLElement>(null);
  const shown = useRef(path);
  useEffect(() => {
    if (shown.current === path) return;
    shown.current = path;
    if (window.location.hash !== '') return; // the address names a part of the page, which goes there by itself
    window.scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [path]);
  return main;
}
