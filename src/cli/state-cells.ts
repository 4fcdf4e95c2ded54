/** States as table cells. */
import type { Certificate, CertificateDetail } from '../api/contract/certificates.ts';
import type { Cell, Tone } from './text.ts';

const phaseTones: Readonly<Record<Certificate['phase']['state'], Tone>> = {
  pending: 'dim',
  issuing: 'warn',
  ready: 'good',
  renewing: 'warn',
  failing: 'bad',
  expired: 'bad',
};

const deliveryTones: Readonly<Record<Certificate['delivery']['state'], Tone>> = {
  none: 'dim',
  delivered: 'good',
  lagging: 'warn',
  failed: 'bad',
};

const verdictMarks = { ok: '✓', waiting: '…', problem: '✗', skipped: '-' } as const;
const verdictTones: Readonly<Record<Verdict, Tone>> = { ok: 'good', waiting: 'warn', problem: 'bad', skipped: 'dim' };

type Verdict = CertificateDetail['checks'][number]['verdict'];

export function phaseCell({ phase }: Pick<Certificate, 'phase'>): Cell {
  return { text: phase.state, tone: phaseTones[phase.state] };
}

export function deliveryCell(state: Certificate['delivery']['state']): Cell {
  return { text: state, tone: deliveryTones[state] };
}

export function verdictCell(verdict: Verdict): Cell {
  return { text: verdictMarks[verdict], tone: verdictTones[verdict] };
}

/** A column only where it says something: most certificates are simply managed. */
export function managedText({ managed }: Pick<Certificate, 'managed'>): string {
  return managed.state === 'managed' ? '' : managed.state;
}
