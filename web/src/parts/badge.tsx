import type { Look } from '../words/status.ts';
import { Icon } from './icon.tsx';

/** A state: always icon and word, colour only on top of them. */
export function Badge({ look, title }: { readonly look: Look; readonly title?: string }) {
  return (
    <span className="badge" data-tone={look.tone} title={title}>
      <Icon name={look.icon} />
      {look.label}
    </span>
  );
}
