import { z } from 'zod';
import { CertplaneError } from '../core/errors.ts';

/**
 * Every transition of an ACME issuance. What each one needs is persisted before it begins:
 * account    the account exists and is registered
 * order      newOrder; the order that an attempt without an answer, or before a restart, may have made is looked for first
 * authorize  authorizations are read; what will be presented is written down
 * present    answers are put where the CA looks
 * respond    the CA is told to look; from here until the order is ready, answers that a restart lost are put back
 * key        the certificate's private key is made
 * finalize   the order is read until it is ready, then finalized; never twice
 * clean-up   answers are taken away
 * collect    the order is read until the certificate is there
 * download   the certificate is read and checked
 */
export const acmeSteps = [
  'account',
  'order',
  'authorize',
  'present',
  'respond',
  'key',
  'finalize',
  'clean-up',
  'collect',
  'download',
] as const;
export type AcmeStep = (typeof acmeSteps)[number];

const challengeSchema = z.object({
  name: z.string(),
  authorizationUrl: z.string(),
  url: z.string(),
  token: z.string(),
  keyAuthorization: z.string(),
});

const dataSchema = z.object({
  accountUrl: z.string().optional(),
  /** Drawn just before newOrder; the process that drew it knows that newOrder has not been sent. */
  attempt: z.string().optional(),
  /** newOrder was refused, or did not get through: there is no order that anybody would have to look for. */
  refused: z.boolean().optional(),
  order: z
    .object({
      url: z.string(),
      finalize: z.string(),
      authorizations: z.array(z.string()),
      certificate: z.string().optional(),
      /** Milliseconds since the epoch. */
      expiresAt: z.number().optional(),
    })
    .optional(),
  /** Recorded before they are presented, gone once they are cleaned up. */
  challenges: z.array(challengeSchema).optional(),
  /** When the CA wants to be asked for the certificate; milliseconds since the epoch. */
  collectAt: z.number().optional(),
  /** Answers "not yet" in this step so far, and when the first one came. */
  polls: z.number().optional(),
  pollingSince: z.number().optional(),
  /** Attempts at this step that the network or the CA spoiled, in a row. */
  troubles: z.number().optional(),
});

export type AcmeData = z.infer<typeof dataSchema>;
export type PendingChallenge = z.infer<typeof challengeSchema>;

/** Throws `acme.order-invalid` for data that no version of this program wrote. */
export function readState(state: { readonly step: string; readonly data: unknown }): {
  step: AcmeStep;
  data: AcmeData;
} {
  const step = acmeSteps.find((known) => known === state.step);
  const { data } = dataSchema.safeParse(state.data);
  if (step === undefined || data === undefined)
    throw new CertplaneError('acme.order-invalid', 'The saved state of the order cannot be read; a new one is needed.');
  return { step, data };
}

/** The order in the data; every step after `order` has one. */
export function orderOf(data: AcmeData): NonNullable<AcmeData['order']> {
  if (data.order !== undefined) return data.order;
  throw new CertplaneError('acme.order-invalid', 'The saved state has no order in it; a new one is needed.');
}
