/**
 * Whether a person should act on a certificate, and its state in one sentence. Decided here and nowhere else: API, CLI,
 * UI and alerts show the result. Ordered rules, the first that holds wins; all of them are shares of the lifetime,
 * never days.
 */
import { errorCodes } from '../core/errors.ts';
import type { CertificateView } from '../core/ports/control-view.ts';
import { planRenewal } from '../core/renewal.ts';
import { timeText } from '../core/time-text.ts';

export type Urgency = 'none' | 'attention' | 'critical';

export interface Assessment {
  readonly urgency: Urgency;
  /** A stable code of the rule. */
  readonly code: string;
  readonly sentence: string;
}

/** A delivery may lag this long, or a tenth of the lifetime when that is shorter. */
const longestLagMs = 600_000;
/** A certificate that never worked is critical from this many failures on; the first may be a hiccup. */
const failuresWithoutVersion = 3;

interface Facts {
  readonly view: CertificateView;
  readonly now: number;
  /** Of the version in use; undefined without one. */
  readonly notAfter: number | undefined;
  readonly lifetime: number;
  /** How much of the time between renewAt and notAfter has gone, from below 0 to 1 and more. */
  readonly overdueShare: number;
  readonly served: boolean;
}

interface Rule {
  readonly code: string;
  readonly urgency: Urgency;
  holds(facts: Facts): boolean;
  sentence(facts: Facts): string;
}

const wanted = ({ view }: Facts): boolean => view.status.managed === 'managed';
const ended = ({ notAfter, now }: Facts): boolean => notAfter !== undefined && notAfter <= now;
const phaseSentence = ({ view }: Facts): string => view.status.phaseReason.message;
/** The scheduler's own words where it has seen the end too; between two of its looks the time speaks. */
const expiredSentence = (facts: Facts): string => {
  const { view, notAfter } = facts;
  if (view.status.phase === 'expired' || notAfter === undefined) return phaseSentence(facts);
  return joined(`It ended at ${timeText(notAfter)}.`, view.record?.lastFailure?.message ?? '');
};

const rules: readonly Rule[] = [
  {
    code: 'expired',
    urgency: 'critical',
    holds: (facts) => (ended(facts) || facts.view.status.phase === 'expired') && (wanted(facts) || facts.served),
    sentence: expiredSentence,
  },
  {
    code: 'expired-unused',
    urgency: 'none',
    holds: (facts) => ended(facts) || facts.view.status.phase === 'expired',
    sentence: (facts) => joined(expiredSentence(facts), facts.view.status.managedReason.message),
  },
  {
    code: 'failing-little-left',
    urgency: 'critical',
    holds: (facts) => wanted(facts) && facts.view.status.phase === 'failing' && facts.overdueShare >= 1 / 2,
    sentence: (facts) => joined(phaseSentence(facts), endsSentence(facts)),
  },
  {
    code: 'overdue-half',
    urgency: 'critical',
    holds: (facts) => wanted(facts) && facts.overdueShare >= 1 / 2,
    sentence: overdueSentence,
  },
  {
    code: 'never-issued',
    urgency: 'critical',
    holds: ({ view, notAfter }) =>
      view.status.managed === 'managed' &&
      view.status.phase === 'failing' &&
      notAfter === undefined &&
      (view.record?.failures ?? 0) >= failuresWithoutVersion,
    sentence: phaseSentence,
  },
  {
    code: 'delivery-failed',
    urgency: 'critical',
    holds: ({ view }) => view.status.delivery === 'failed',
    sentence: ({ view }) => view.status.deliveryReason.message,
  },
  {
    code: 'failing',
    urgency: 'attention',
    holds: (facts) => wanted(facts) && facts.view.status.phase === 'failing',
    sentence: (facts) => joined(phaseSentence(facts), endsSentence(facts)),
  },
  {
    code: 'overdue',
    urgency: 'attention',
    holds: (facts) => wanted(facts) && facts.overdueShare >= 1 / 4,
    sentence: overdueSentence,
  },
  {
    code: 'held-up',
    urgency: 'attention',
    // A good certificate whose next step fails for a reason of our own: the state cannot be written, an issuer is gone.
    holds: (facts) =>
      wanted(facts) && facts.view.status.phase === 'ready' && facts.view.status.phaseReason.code in errorCodes,
    sentence: (facts) => joined(phaseSentence(facts), endsSentence(facts)),
  },
  {
    code: 'lagging',
    urgency: 'attention',
    holds: ({ view, now, lifetime }) =>
      view.status.delivery === 'lagging' &&
      view.current !== undefined &&
      now - view.current.issuedAt > Math.min(longestLagMs, lifetime / 10),
    sentence: ({ view }) => view.status.deliveryReason.message,
  },
  {
    code: 'unrenewed-ending',
    urgency: 'attention',
    // Nothing of ours renews it (removed, paused, only observed) and somebody is still shown it.
    holds: (facts) => !wanted(facts) && facts.served && facts.overdueShare >= 1 / 4,
    sentence: (facts) => joined(facts.view.status.managedReason.message, endsSentence(facts)),
  },
  {
    code: 'not-managed',
    urgency: 'none',
    holds: (facts) => !wanted(facts),
    sentence: ({ view }) => view.status.managedReason.message,
  },
  { code: 'as-planned', urgency: 'none', holds: () => true, sentence: phaseSentence },
];

export function assess(view: CertificateView, now: number): Assessment {
  const served = view.servedBy.some((one) => one.connected);
  // What is only observed has no version of ours; what is served then says when it ends.
  const notAfter =
    view.current?.notAfter ??
    (view.servedBy.length > 0 ? Math.min(...view.servedBy.map((s) => s.notAfter)) : undefined);
  // What nobody renews has no renewAt; the time it would have had is the measure all the same.
  const renewAt = view.renewAt ?? (view.current === undefined ? undefined : planRenewal(view.id, view.current).at);
  const lifetime = view.current === undefined ? Infinity : view.current.notAfter - view.current.notBefore;
  const facts: Facts = { view, now, notAfter, lifetime, served, overdueShare: overdueShare(renewAt, notAfter, now) };
  const rule = rules.find((one) => one.holds(facts)) as Rule;
  return { urgency: rule.urgency, code: rule.code, sentence: rule.sentence(facts) };
}

const ranks: Readonly<Record<Urgency, number>> = { critical: 0, attention: 1, none: 2 };

/** 0 is the most urgent. */
export function urgencyRank(urgency: Urgency): number {
  return ranks[urgency];
}

function overdueShare(renewAt: number | undefined, notAfter: number | undefined, now: number): number {
  if (renewAt === undefined || notAfter === undefined || notAfter <= renewAt) return -Infinity;
  return (now - renewAt) / (notAfter - renewAt);
}

function overdueSentence(facts: Facts): string {
  const { status, renewAt, next } = facts.view;
  if (status.phaseReason.code === 'overdue') return joined(phaseSentence(facts), endsSentence(facts));
  const since = renewAt === undefined ? '' : ` since ${timeText(renewAt)}`;
  return joined(`Its renewal is overdue${since}: ${next.reason.message}`, endsSentence(facts));
}

function endsSentence({ notAfter }: Facts): string {
  return notAfter === undefined ? '' : `The certificate in use ends at ${timeText(notAfter)}.`;
}

function joined(...sentences: readonly string[]): string {
  return sentences.filter((sentence) => sentence !== '').join(' ');
}
