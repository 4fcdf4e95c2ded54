/** The one place where a state becomes a word, an icon and a colour. Urgency is the server's: nothing is judged here. */
import type { IconName } from '../parts/icon.tsx';
import type { Certificate, CertificateDetail, Delivery, HistoryEntry, Managed, Phase, Terminator } from '../types.ts';

export type Tone = 'ok' | 'busy' | 'warn' | 'bad' | 'idle';

export interface Look {
  readonly label: string;
  readonly icon: IconName;
  readonly tone: Tone;
}

export const phaseLooks: Readonly<Record<Phase, Look>> = {
  expired: { label: 'Expired', icon: 'cross-circle', tone: 'bad' },
  failing: { label: 'Failing', icon: 'alert', tone: 'warn' },
  pending: { label: 'Pending', icon: 'clock', tone: 'idle' },
  issuing: { label: 'Issuing', icon: 'spinner', tone: 'busy' },
  renewing: { label: 'Renewing', icon: 'spinner', tone: 'busy' },
  ready: { label: 'Ready', icon: 'check-circle', tone: 'ok' },
};

/** The worst first. */
export const phaseOrder = Object.keys(phaseLooks) as readonly Phase[];

export const deliveryLooks: Readonly<Record<Delivery, Look>> = {
  failed: { label: 'Not delivered', icon: 'alert', tone: 'warn' },
  lagging: { label: 'Behind', icon: 'clock', tone: 'busy' },
  delivered: { label: 'Delivered', icon: 'check-circle', tone: 'ok' },
  none: { label: 'No output', icon: 'dash', tone: 'idle' },
};

export const managedLooks: Readonly<Record<Managed, Look>> = {
  managed: { label: 'Managed', icon: 'check-circle', tone: 'idle' },
  paused: { label: 'Paused', icon: 'pause', tone: 'idle' },
  removed: { label: 'Removed', icon: 'dash', tone: 'idle' },
  observed: { label: 'Observed', icon: 'eye', tone: 'idle' },
};

type Verdict = CertificateDetail['checks'][number]['verdict'];

export const verdictLooks: Readonly<Record<Verdict, Look>> = {
  ok: { label: 'OK', icon: 'check-circle', tone: 'ok' },
  waiting: { label: 'Waiting', icon: 'clock', tone: 'busy' },
  problem: { label: 'Problem', icon: 'alert', tone: 'warn' },
  skipped: { label: 'Skipped', icon: 'dash', tone: 'idle' },
};

export const historyLooks: Readonly<Record<HistoryEntry['kind'], Look>> = {
  attempt: { label: 'Attempt', icon: 'clock', tone: 'idle' },
  issued: { label: 'Issued', icon: 'check-circle', tone: 'ok' },
  failed: { label: 'Failed', icon: 'alert', tone: 'warn' },
  delivered: { label: 'Delivered', icon: 'check-circle', tone: 'ok' },
  'delivery-failed': { label: 'Delivery failed', icon: 'alert', tone: 'warn' },
  config: { label: 'Configuration', icon: 'file', tone: 'idle' },
  admin: { label: 'Admin', icon: 'person', tone: 'idle' },
  removed: { label: 'Removed', icon: 'dash', tone: 'idle' },
};

type BackendState = NonNullable<Terminator['backends']>[number]['state'];

export const backendLooks: Readonly<Record<BackendState, Look>> = {
  healthy: { label: 'Healthy', icon: 'check-circle', tone: 'ok' },
  unhealthy: { label: 'Unhealthy', icon: 'cross-circle', tone: 'warn' },
  ejected: { label: 'Ejected', icon: 'pause', tone: 'warn' },
  unresolved: { label: 'Name not resolved', icon: 'alert', tone: 'warn' },
};

type Assessed = Pick<Certificate, 'urgency' | 'phase' | 'delivery'>;

const urgencyTones = { critical: 'bad', attention: 'warn', none: undefined } as const;

/** The whole of a certificate: the server's urgency in colour, else its phase. */
export function certificateLook({ urgency, phase }: Assessed): Look {
  const look = phaseLooks[phase.state];
  const tone = urgencyTones[urgency];
  if (tone !== undefined) return { ...look, tone, icon: isTrouble(look) ? look.icon : 'alert' };
  return isTrouble(look) ? { ...look, tone: 'idle' } : look;
}

/** Its phase alone; trouble takes the colour of the urgency. */
export function phaseLook(certificate: Assessed): Look {
  const look = phaseLooks[certificate.phase.state];
  return isTrouble(look) ? certificateLook(certificate) : look;
}

/** Its delivery alone; what is not delivered takes the colour of the urgency. */
export function deliveryLook({ urgency, delivery }: Assessed): Look {
  const look = deliveryLooks[delivery.state];
  return delivery.state === 'lagging' || delivery.state === 'failed'
    ? { ...look, tone: urgencyTones[urgency] ?? look.tone }
    : look;
}

function isTrouble({ tone }: Look): boolean {
  return tone === 'warn' || tone === 'bad';
}

const actionWords = {
  issue: 'Issue',
  renew: 'Renew',
  retry: 'Try again',
  deliver: 'Deliver again',
  none: 'Nothing',
} as const;

export function actionWord(action: Certificate['nextAction']): string {
  return actionWords[action];
}

const stepWords: Readonly<Record<string, string>> = {
  account: 'Registering the account',
  order: 'Placing the order',
  authorize: 'Reading what is to be proven',
  present: 'Putting the answers in place',
  respond: 'Asking to be verified',
  key: 'Making the private key',
  finalize: 'Waiting for the verification',
  'clean-up': 'Taking the answers away',
  collect: 'Waiting for the certificate',
  download: 'Reading the certificate',
  sign: 'Signing',
};

/** An issuer may have steps this page does not know; they are shown as they are called. */
export function stepWord(step: string): string {
  return stepWords[step] ?? step;
}

export function terminatorLook({ connected, upToDate }: Pick<Terminator, 'connected' | 'upToDate'>): Look {
  if (!connected) return { label: 'Not connected', icon: 'cross-circle', tone: 'warn' };
  return upToDate
    ? { label: 'Up to date', icon: 'check-circle', tone: 'ok' }
    : { label: 'Catching up', icon: 'clock', tone: 'busy' };
}
