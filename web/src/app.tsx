import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import { Redirect, Route, Switch } from 'wouter';
import { useLive } from './api/live.ts';
import { logOut, sessionQuery } from './api/queries.ts';
import { CertificatePage } from './pages/certificate.tsx';
import { CertificatesPage } from './pages/certificates.tsx';
import { HistoryPage } from './pages/history.tsx';
import { IssuersPage } from './pages/issuers.tsx';
import { LoginPage } from './pages/login.tsx';
import { NotFoundPage } from './pages/not-found.tsx';
import { OverviewPage } from './pages/overview.tsx';
import { TerminatorsPage } from './pages/terminators.tsx';
import { WaitingPage } from './pages/waiting.tsx';
import { Shell } from './parts/shell.tsx';
import type { Session } from './types.ts';
import { useSearchKey } from './words/search-key.ts';

export function App() {
  const { data: session, error, refetch } = useQuery(sessionQuery);
  if (session) return <Plane session={session} />;
  if (session === null) return <LoginPage />;
  return <WaitingPage error={error} onRetry={() => void refetch()} />;
}

function Plane({ session }: { readonly session: Session }) {
  const client = useQueryClient();
  const forget = useCallback(() => {
    client.setQueryData(sessionQuery.queryKey, null);
    client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== 'session' });
  }, [client]);
  const leave = useMutation({ mutationFn: logOut, onSuccess: forget });
  const connection = useLive(forget);
  useSearchKey();

  return (
    <Shell session={session} connection={connection} onLogOut={() => leave.mutate()}>
      <Switch>
        <Route path="/" component={OverviewPage} />
        <Route path="/certificates" component={CertificatesPage} />
        <Route path="/certificates/:id">
          <CertificatePage mayRenew={session.role === 'admin'} />
        </Route>
        <Route path="/issuers" component={IssuersPage} />
        <Route path="/terminators" component={TerminatorsPage} />
        <Route path="/history" component={HistoryPage} />
        <Route path="/login">
          <Redirect to="/" replace />
        </Route>
        <Route component={NotFoundPage} />
      </Switch>
    </Shell>
  );
}
