import type { Endpoint } from './endpoint.ts';
import type { BackendGroup } from './group.ts';

/**
 * `up`; `unchecked`: counts as up until the first check; `starting`: up, with a part of its share (slow start);
 * `trial`: taken out before, the next request tries it; `ejected`: taken out by failed requests; `down`: checks fail;
 * `unused`: its weight is 0; `unresolved`: a name without an address.
 */
export type EndpointState = 'up' | 'unchecked' | 'starting' | 'trial' | 'ejected' | 'down' | 'unused' | 'unresolved';

export interface EndpointStatus {
  readonly backend: string;
  /** `10.0.0.2:80`, `unix:/run/app.sock`; the name where it does not resolve. */
  readonly endpoint: string;
  readonly state: EndpointState;
  /** Why, where that is known. */
  readonly reason?: string | undefined;
  /** Open connections. */
  readonly open: number;
  /** Requests (for tcp: connections) under way. */
  readonly active: number;
  /** Requests since the endpoint has been known. */
  readonly requests: number;
}

export function statesOf({ name: backend, endpoints, backend: { activeHealth } }: BackendGroup): EndpointStatus[] {
  const states: EndpointStatus[] = endpoints.all.map((endpoint) => {
    const { label, open, active, requests } = endpoint;
    const state = stateOf(endpoint, activeHealth !== undefined);
    return { backend, endpoint: label, state, open, active, requests, ...reasonOf(endpoint, state) };
  });
  for (const { host, addresses, problem } of endpoints.names) {
    if (addresses.length > 0) continue;
    const reason = problem === undefined ? {} : { reason: `${problem.failure}: ${problem.detail}` };
    states.push({ backend, endpoint: host, state: 'unresolved', open: 0, active: 0, requests: 0, ...reason });
  }
  return states;
}

function stateOf({ weight, checked, passive, ramp }: Endpoint, isChecked: boolean): EndpointState {
  if (weight === 0) return 'unused';
  if (checked.up === false) return 'down';
  if (passive.state === 'out') return 'ejected';
  if (passive.state !== 'in') return 'trial';
  if (ramp < 1) return 'starting';
  return isChecked && checked.up === undefined ? 'unchecked' : 'up';
}

function reasonOf({ checked, failure }: Endpoint, state: EndpointState): { reason?: string } {
  if (state === 'down') return { reason: checked.reason };
  return state === 'ejected' || state === 'trial' ? { reason: failure } : {};
}
