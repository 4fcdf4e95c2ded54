/** A site for end-to-end tests: free ports, a configuration over them, and what is asked of it from outside. */
import { freePorts } from '../support/ports.ts';

export interface Site {
  readonly https: number;
  readonly http: number;
  readonly admin: number;
  /** /metrics and /readyz of control. */
  readonly metrics: number;
  /** The same of the terminator. */
  readonly terminatorMetrics: number;
  /** Everything of a configuration but issuers, certificates and routes. */
  readonly base: string;
}

export async function site(): Promise<Site> {
  const [https, http, admin, metrics, terminatorMetrics] = (await freePorts(5)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const base = `
dataDir: ./data
admin: { listen: '127.0.0.1:${admin}' }
metrics: { listen: '127.0.0.1:${metrics}', terminator: '127.0.0.1:${terminatorMetrics}' }
`;
  return { https, http, admin, metrics, terminatorMetrics, base };
}

/** The `terminator` section up to its routes. */
export function terminatorOf({ https, http }: Site, options: { workers?: number } = {}): string {
  return `
terminator:
  workers: ${options.workers ?? 2}
  https: { listen: '127.0.0.1:${https}' }
  http: { listen: '127.0.0.1:${http}' }
`;
}
