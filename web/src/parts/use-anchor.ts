import { useEffect } from 'react';

/** Goes to the part of the page that the address names, once it is there. */
export function useAnchor(): void {
  useEffect(() => {
    const target = window.location.hash === '' ? null : document.getElementById(window.location.hash.slice(1));
    target?.scrollIntoView({ block: 'start' });
    target?.focus({ preventScroll: true });
  }, []);
}
