import type { Balance } from '../../../core/backend.ts';
import type { BackendRequest } from '../backend.ts';
import { find } from '../headers.ts';
import { hashText, mix } from './hash.ts';

/** What a choice is made from. */
export interface Choice {
  /** Its part of the requests, relative to the others'; above 0. */
  readonly share: number;
  /** Requests it is answering. */
  readonly active: number;
  /** The same for the same endpoint always, in every worker. */
  readonly seed: number;
  /** Memory of `roundRobin`. */
  credit: number;
}

/** What a request is hashed by; connections without a request have only an address. */
export type HashInput = Pick<BackendRequest, 'connection'> & Partial<Pick<BackendRequest, 'target' | 'headers'>>;

export class Balancer {
  readonly #balance: Balance;

  constructor(balance: Balance) {
    this.#balance = balance;
  }

  /** One of `choices` that is not in `tried`; undefined when there is none. */
  pick<T extends Choice>(choices: readonly T[], input: HashInput, tried: readonly T[] | undefined): T | undefined {
    if (choices.length === 1 && tried === undefined) return choices[0];
    switch (this.#balance.kind) {
      case 'least-connections':
        return leastConnections(choices, tried);
      case 'hash': {
        const key = hashKey(this.#balance, input);
        // Without the header or cookie there is nothing to keep together.
        return key === undefined ? roundRobin(choices, tried) : rendezvous(choices, tried, hashText(key));
      }
      case 'round-robin':
        return roundRobin(choices, tried);
    }
  }
}

/** Smooth weighted round robin: shares are kept exactly, and the heavy ones do not come in a row. */
function roundRobin<T extends Choice>(choices: readonly T[], tried: readonly T[] | undefined): T | undefined {
  let best: T | undefined;
  let total = 0;
  for (const choice of choices) {
    if (tried?.includes(choice) === true) continue;
    choice.credit += choice.share;
    total += choice.share;
    if (best === undefined || choice.credit > best.credit) best = choice;
  }
  if (best !== undefined) best.credit -= total;
  return best;
}

/** The fewest requests for its share; among equals the round goes on. */
function leastConnections<T extends Choice>(choices: readonly T[], tried: readonly T[] | undefined): T | undefined {
  let fewest = Infinity;
  for (const choice of choices) {
    if (tried?.includes(choice) !== true) fewest = Math.min(fewest, (choice.active + 1) / choice.share);
  }
  let best: T | undefined;
  let total = 0;
  for (const choice of choices) {
    if (tried?.includes(choice) === true || (choice.active + 1) / choice.share > fewest) continue;
    choice.credit += choice.share;
    total += choice.share;
    if (best === undefined || choice.credit > best.credit) best = choice;
  }
  if (best !== undefined) best.credit -= total;
  return best;
}

/**
 * Weighted rendezvous hashing: each choice draws a number from the key, the best one wins. Taking one out moves only
 * what it had; changing a share moves only the difference.
 */
function rendezvous<T extends Choice>(
  choices: readonly T[],
  tried: readonly T[] | undefined,
  key: number,
): T | undefined {
  let best: T | undefined;
  let lowest = Infinity;
  for (const choice of choices) {
    if (tried?.includes(choice) === true) continue;
    const draw = (mix(key ^ choice.seed) + 0.5) / 0x1_0000_0000;
    const cost = -Math.log(draw) / choice.share;
    if (cost < lowest) {
      lowest = cost;
      best = choice;
    }
  }
  return best;
}

function hashKey(balance: Extract<Balance, { kind: 'hash' }>, input: HashInput): string | undefined {
  switch (balance.key) {
    case 'client-address':
      return input.connection.address;
    case 'path': {
      const { target } = input;
      if (target === undefined) return input.connection.address;
      const query = target.indexOf('?');
      return query < 0 ? target : target.slice(0, query);
    }
    case 'header':
      return input.headers === undefined ? input.connection.address : find(input.headers, balance.name.toLowerCase());
    case 'cookie':
      return input.headers === undefined ? input.connection.address : cookie(input.headers, balance.name);
  }
}

function cookie(headers: readonly string[], name: string): string | undefined {
  for (const part of find(headers, 'cookie')?.split(';') ?? []) {
    const equals = part.indexOf('=');
    if (equals > 0 && part.slice(0, equals).trim() === name) return part.slice(equals + 1).trim();
  }
  return undefined;
}
