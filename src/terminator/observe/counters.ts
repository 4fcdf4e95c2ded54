import type { WorkerCounters } from '../ipc/messages.ts';

/** What a worker counts between two reports. */
export class Counters {
  readonly #requests = new Map<string, number>();
  readonly #handshakes = new Map<string, number>();
  readonly #backendFailures = new Map<string, number>();
  connections = 0;

  request(protocol: 'https' | 'http', status: number): void {
    add(this.#requests, `${protocol} ${Math.floor(status / 100)}xx`);
  }

  handshake(result: string): void {
    add(this.#handshakes, result);
  }

  backendFailure(reason: string): void {
    add(this.#backendFailures, reason);
  }

  /** The counts since the last call. */
  take(): WorkerCounters {
    return {
      requests: drain(this.#requests),
      handshakes: drain(this.#handshakes),
      backendFailures: drain(this.#backendFailures),
      connections: this.connections,
    };
  }
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function drain(counts: Map<string, number>): Record<string, number> {
  const result = Object.fromEntries(counts);
  counts.clear();
  return result;
}
