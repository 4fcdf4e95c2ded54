/** Session tickets (RFC 8446 §4.6.1, RFC 5077) of one policy, made with keys derived from those that all workers share. */
import { hkdfSync, randomFillSync } from 'node:crypto';
import { CertplaneError } from '../../core/errors.ts';
import type { TicketKeyAnswer } from './node-tls.ts';

interface TicketKey {
  readonly name: Buffer;
  readonly mac: Buffer;
  readonly encryption: Buffer;
  /** For a ticket that this key made: it is good, and the client gets a new one, which RFC 8446 §C.4 asks for. */
  readonly found: TicketKeyAnswer;
}

const nameLength = 16;
const macLength = 32;
const encryptionLength = 16;

/**
 * A policy's own keys: a ticket of another policy cannot even be decrypted, and what changes the policy (another client
 * CA, say) changes them (never §5.13). The first one encrypts; a ticket of any of them resumes its session.
 */
export class PolicyTickets {
  readonly #policyId: string;
  #keys: readonly TicketKey[];

  constructor(masters: readonly Buffer[], policyId: string) {
    this.#policyId = policyId;
    this.#keys = derive(masters, policyId);
  }

  use(masters: readonly Buffer[]): void {
    this.#keys = derive(masters, this.#policyId);
  }

  /** The TLS library asks for it with each ticket that it makes or reads. */
  readonly onTicket = (name: Buffer, _iv: Buffer, encrypt: boolean): TicketKeyAnswer => {
    const keys = this.#keys;
    const first = keys[0] as TicketKey;
    if (encrypt) return [1, first.mac, first.encryption, first.name, nextIv()];
    for (const key of keys) if (key.name.equals(name)) return key.found;
    return [0, first.mac, first.encryption]; // unknown: a full handshake
  };
}

function derive(masters: readonly Buffer[], policyId: string): readonly TicketKey[] {
  if (masters.length === 0) throw new CertplaneError('internal.unexpected', 'There is no session ticket key.');
  return masters.map((master) => {
    const length = nameLength + macLength + encryptionLength;
    const bytes = Buffer.from(hkdfSync('sha256', master, '', `certplane session tickets ${policyId}`, length));
    const mac = bytes.subarray(nameLength, nameLength + macLength);
    const encryption = bytes.subarray(nameLength + macLength);
    return { name: bytes.subarray(0, nameLength), mac, encryption, found: [2, mac, encryption] };
  });
}

const ivLength = 16;
const random = Buffer.alloc(ivLength * 256);
let used = random.length;

/** Random bytes come by the page: fetching 16 at a time costs more than the encryption. */
function nextIv(): Buffer {
  if (used === random.length) {
    randomFillSync(random);
    used = 0;
  }
  used += ivLength;
  return random.subarray(used - ivLength, used);
}
