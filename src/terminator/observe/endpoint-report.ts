import type { BackendReport } from '../../core/feed.ts';
import type { EndpointStatus } from '../upstream/states.ts';

/** An endpoint as operators are told of it. */
export function endpointReport({ backend, endpoint, state, open, requests }: EndpointStatus): BackendReport {
  return { backend, endpoint, state: told[state], open, requests };
}

const told = {
  up: 'healthy',
  unchecked: 'healthy',
  starting: 'healthy',
  trial: 'healthy',
  unused: 'healthy',
  ejected: 'ejected',
  down: 'unhealthy',
  unresolved: 'unresolved',
} as const satisfies Record<EndpointStatus['state'], BackendReport['state']>;
