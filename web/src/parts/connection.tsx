import type { Connection } from '../api/live.ts';

const words: Readonly<Record<Connection, readonly [label: string, title: string]>> = {
  connecting: ['Connecting', 'Asking the control process for changes.'],
  live: ['Live', 'Changes appear here as they happen.'],
  reconnecting: ['Reconnecting', 'The control process does not answer; what you see may be old.'],
};

export function ConnectionState({ connection }: { readonly connection: Connection }) {
  const [label, title] = words[connection];
  return (
    <output className="connection" data-state={connection} title={title}>
      <span className="connection-dot" aria-hidden="true" />
      {label}
    </output>
  );
}
