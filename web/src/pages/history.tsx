import { useInfiniteQuery } from '@tanstack/react-query';
import { Button } from 'react-aria-components';
import { navigate, useSearch } from 'wouter/use-browser-location';
import { historyQuery } from '../api/queries.ts';
import { Choice } from '../parts/choice.tsx';
import { HistoryList } from '../parts/history-list.tsx';
import { Loaded, Skeleton } from '../parts/loaded.tsx';
import { Narrowed } from '../parts/narrowed.tsx';
import { Page } from '../parts/page.tsx';
import type { HistoryEntry } from '../types.ts';
import { historyLooks } from '../words/status.ts';

type Kind = HistoryEntry['kind'] | 'all';

const kinds: (readonly [Kind, string])[] = [
  ['all', 'Everything'],
  ...Object.entries(historyLooks).map(([kind, { label }]) => [kind as Kind, label] as const),
];

/** The filter lives in the address: certificate, kind. */
export function HistoryPage() {
  const search = new URLSearchParams(useSearch());
  const certificate = search.get('certificate');
  const kind = kinds.find(([one]) => one === search.get('kind'))?.[0] ?? 'all';
  const filter = historyFilter(certificate, kind);
  const history = useInfiniteQuery(historyQuery(filter));

  return (
    <Page title="History">
      <div className="toolbar">
        {certificate !== null && <Narrowed to={certificate} href={historyPath(null, kind)} />}
        <Choice
          label="Show"
          value={kind}
          options={kinds}
          onChange={(next) => navigate(historyPath(certificate, next), { replace: true })}
        />
      </div>
      <div className="card" aria-busy={history.isPlaceholderData}>
        <Loaded
          query={{ ...history, data: history.data?.pages.flat() }}
          what="The history"
          skeleton={<Skeleton lines={8} />}
        >
          {(entries) => <HistoryList entries={entries} withCertificate={certificate === null} />}
        </Loaded>
      </div>
      {history.hasNextPage && (
        <Button
          className="button more-rows"
          onPress={() => void history.fetchNextPage()}
          isPending={history.isFetchingNextPage}
        >
          Show older
        </Button>
      )}
    </Page>
  );
}

function historyPath(certificate: string | null, kind: Kind): string {
  const filter = historyFilter(certificate, kind);
  return filter === '' ? '/history' : `/history?${filter}`;
}

function historyFilter(certificate: string | null, kind: Kind): string {
  return String(
    new URLSearchParams({ ...(certificate === null ? {} : { certificate }), ...(kind === 'all' ? {} : { kind }) }),
  );
}
