/** Failed logins per address, counted over a sliding window. */
import type { Clock } from '../core/ports/clock.ts';

export interface LoginLimiterOptions {
  readonly attempts: number;
  readonly windowMs: number;
}

const defaultLoginLimit: LoginLimiterOptions = { attempts: 10, windowMs: 600_000 };
/** More addresses than this at once is an attack; the ones quiet for longest are forgotten. */
const mostAddresses = 10_000;

export interface LoginLimiter {
  /** Undefined: go on. Otherwise the time of the next attempt allowed, milliseconds since the epoch. */
  blockedUntil(address: string): number | undefined;
  noteFailure(address: string): void;
  noteSuccess(address: string): void;
}

export function createLoginLimiter(
  { clock }: { readonly clock: Clock },
  { attempts, windowMs }: LoginLimiterOptions = defaultLoginLimit,
): LoginLimiter {
  const failures = new Map<string, number[]>();
  const recent = (address: string): number[] => {
    const now = clock.now();
    // Times in the future come from a clock that was set back; they count, but not for longer than a window.
    return (failures.get(address) ?? []).filter((at) => Math.abs(now - at) < windowMs);
  };
  return {
    blockedUntil(address) {
      const times = recent(address);
      if (times.length < attempts) return undefined;
      return (times.at(-attempts) ?? clock.now()) + windowMs;
    },
    noteFailure(address) {
      const times = [...recent(address), clock.now()].slice(-attempts);
      failures.delete(address);
      failures.set(address, times);
      for (const key of failures.keys()) {
        if (failures.size <= mostAddresses) break;
        failures.delete(key);
      }
    },
    noteSuccess(address) {
      failures.delete(address);
    },
  };
}
