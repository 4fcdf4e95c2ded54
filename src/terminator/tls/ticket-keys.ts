/** Session ticket keys of one policy, derived from the keys that all workers share. */
import { hkdfSync } from 'node:crypto';

/** What node takes: 16 bytes of name, 16 for the MAC, 16 for encryption. */
export const ticketKeyLength = 48;
const nameLength = 16;

/**
 * A policy's own keys: a ticket of another policy cannot even be decrypted, and what changes the policy (another client
 * CA, say) changes them (DESIGN §5.13). Same order as the masters.
 */
export function deriveTicketKeys(masters: readonly Buffer[], policyId: string): readonly Buffer[] {
  return masters.map((master) =>
    Buffer.from(hkdfSync('sha256', master, '', `certplane session tickets ${policyId}`, ticketKeyLength)),
  );
}

/** The key that made a ticket, where it is not the first one, which is in use anyway. */
export function earlierKey(keys: readonly Buffer[], name: Buffer | undefined): Buffer | undefined {
  if (name === undefined) return undefined;
  for (let i = 1; i < keys.length; i += 1) {
    const key = keys[i] as Buffer;
    if (name.compare(key, 0, nameLength) === 0) return key;
  }
  return undefined;
}
