/** Words for screen readers about what happened by itself: a finished renewal, a copied serial. */
import { useSyncExternalStore } from 'react';

let words = '';
const listeners = new Set<() => void>();

export function announce(text: string): void {
  words = text;
  for (const notify of listeners) notify();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function Announcer() {
  const text = useSyncExternalStore(subscribe, () => words);
  return (
    <p className="hidden" aria-live="polite" data-testid="announcer">
      {text}
    </p>
  );
}
