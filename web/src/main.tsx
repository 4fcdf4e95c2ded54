import './styles/index.css';
import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { ApiError } from './api/client.ts';
import { sessionQuery } from './api/queries.ts';
import { App } from './app.tsx';

const onError = (error: Error) => {
  if (error instanceof ApiError && error.status === 401) client.setQueryData(sessionQuery.queryKey, null);
};

const client = new QueryClient({
  queryCache: new QueryCache({ onError }),
  mutationCache: new MutationCache({ onError }),
  defaultOptions: {
    queries: {
      // The control process is often on this very machine: a browser without a network can reach it.
      networkMode: 'always',
      staleTime: 30_000, // events say sooner
      retry: (failures, error) => failures < 2 && !(error instanceof ApiError && isFinal(error)),
      retryDelay: 1_000,
    },
    mutations: { networkMode: 'always' },
  },
});

/** Asking again at once would bring the same, or make the person wait as long again. */
function isFinal({ status, code }: ApiError): boolean {
  return code === 'timeout' || (status >= 400 && status < 500);
}

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no #root');
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <App />
    </QueryClientProvider>
  </StrictMode>,
);
