import type { TerminatorLimits, TerminatorTimeouts } from '../../core/terminator.ts';
import type { Connection, Inbound, Outbound } from '../proxy/exchange.ts';
import type { Http2Limit } from './limit.ts';

export interface Http2Settings {
  readonly limits: Pick<
    TerminatorLimits,
    'headerBytes' | 'headerCount' | 'bodyBytes' | 'requestsPerConnection' | 'streamsPerConnection' | 'resetsPerMinute'
  >;
  readonly timeouts: Pick<TerminatorTimeouts, 'headerMs' | 'bodyMs' | 'idleMs' | 'tunnelIdleMs'>;
}

/** What all connections share. */
export interface Http2Shared {
  readonly settings: Http2Settings;
  /** Milliseconds, in steps. */
  readonly now: number;
  readonly handle: (inbound: Inbound, outbound: Outbound) => void;
  readonly onRefused: (connection: Connection, status: number) => void;
  readonly onLimit: (limit: Http2Limit, connection: Connection) => void;
}
