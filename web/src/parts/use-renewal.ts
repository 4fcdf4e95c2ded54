import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { certificateQuery, renewCertificate } from '../api/queries.ts';
import type { CertificateDetail } from '../types.ts';
import { announce } from './announce.tsx';

/** Where a renewal that was started on this page has got to. */
export type RenewalState =
  | { readonly step: 'none' }
  | { readonly step: 'asking' | 'running' }
  | { readonly step: 'done'; readonly serial: string }
  | { readonly step: 'refused' | 'failed'; readonly message: string };

export interface Renewal {
  readonly state: RenewalState;
  readonly start: () => void;
}

/** Accepted is not finished: it is done when another serial is in use, failed when there is another failure. */
export function useRenewal(certificate: CertificateDetail): Renewal {
  const client = useQueryClient();
  const { id, name, serial, lastFailure } = certificate;
  const mutation = useMutation({
    mutationFn: async (_before: Before) => await renewCertificate(id),
    onSettled: async () => await client.invalidateQueries({ queryKey: certificateQuery(id).queryKey }),
  });
  const state = stateOf(mutation, certificate);
  const problem = state.step === 'failed' || state.step === 'refused' ? state.message : undefined;
  useEffect(() => {
    if (problem !== undefined) announce(`${name} was not renewed. ${problem}`);
  }, [name, problem]);
  useNewSerial(certificate);
  return { state, start: () => mutation.mutate({ serial, failedAt: lastFailure?.at }) };
}

/** Says so when another version comes into use, whoever started it. */
function useNewSerial({ name, serial }: CertificateDetail): void {
  const known = useRef(serial);
  useEffect(() => {
    if (serial === null || serial === known.current) return;
    announce(`${name} was ${known.current === null ? 'issued' : 'renewed'}. The new serial is ${serial}.`);
    known.current = serial;
  }, [name, serial]);
}

interface Before {
  readonly serial: string | null;
  readonly failedAt: string | undefined;
}

interface Asked {
  readonly isPending: boolean;
  readonly isSuccess: boolean;
  readonly error: Error | null;
  readonly variables: Before | undefined;
}

function stateOf(
  { isPending, isSuccess, error, variables }: Asked,
  { serial, lastFailure }: CertificateDetail,
): RenewalState {
  if (isPending) return { step: 'asking' };
  if (error !== null) return { step: 'refused', message: error.message };
  if (!isSuccess || variables === undefined) return { step: 'none' };
  if (serial !== null && serial !== variables.serial) return { step: 'done', serial };
  if (lastFailure !== null && lastFailure.at !== variables.failedAt) {
    return { step: 'failed', message: lastFailure.message };
  }
  return { step: 'running' };
}
