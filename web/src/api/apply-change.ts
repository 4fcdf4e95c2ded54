/** Server events, gathered and applied to what the page has read: exactly what changed is read again. */
import type { QueryClient } from '@tanstack/react-query';
import type { ChangeEvent, Overview } from '../types.ts';

export interface Changes {
  readonly ids: ReadonlySet<string>;
  readonly other: boolean;
  /** Read everything again. */
  readonly everything: boolean;
  /** The newest event's counts. */
  readonly counts: Pick<ChangeEvent, 'phases' | 'attentionTotal'> | undefined;
}

export const noChanges: Changes = { ids: new Set(), other: false, everything: false, counts: undefined };
export const everythingChanged: Changes = { ...noChanges, everything: true };

export function asChanges(event: ChangeEvent): Changes {
  return {
    ids: new Set(event.certificates),
    other: event.other,
    everything: false,
    counts: { phases: event.phases, attentionTotal: event.attentionTotal },
  };
}

export function mergeChanges(earlier: Changes, later: Changes): Changes {
  return {
    ids: earlier.ids.union(later.ids),
    other: earlier.other || later.other,
    everything: earlier.everything || later.everything,
    counts: later.counts ?? earlier.counts,
  };
}

/** Resolves when what is on the screen has been read again. */
export async function applyChanges(client: QueryClient, { ids, other, everything, counts }: Changes): Promise<void> {
  if (everything) {
    await client.invalidateQueries();
    return;
  }
  if (counts !== undefined) {
    client.setQueryData<Overview>(['overview'], (known) => (known === undefined ? known : { ...known, ...counts }));
  }
  const stale: (readonly string[])[] = [['overview']];
  if (ids.size > 0) stale.push(['certificates']);
  for (const id of ids) stale.push(['certificate', id], ['history', String(new URLSearchParams({ certificate: id }))]);
  if (other) stale.push(['issuers'], ['terminators'], ['history']);
  await Promise.all(stale.map((queryKey) => client.invalidateQueries({ queryKey })));
}
