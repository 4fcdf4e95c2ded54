/** Counts and lists over everything: the overview page, and the numbers that travel with each change event. */
import type { CertificateView, ControlView, Problem, TerminatorView } from '../core/ports/control-view.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { IssuerDescription } from '../core/ports/issuer.ts';
import type { HistoryEntry as HistoryRecord, TokenRecord } from '../core/records.ts';
import { assess, type Urgency } from '../explain/urgency.ts';
import { certificatePage, isOfIssuer } from './certificate-page.ts';
import { deliveryStates, managedStates, phases } from './contract/certificates.ts';
import type { HistoryEntry, Issuer, Notice, Overview, Terminator, Token } from './contract/overview.ts';
import { countBy } from './counts.ts';
import { rfc3339, rfc3339OrNull } from './time.ts';
import { timeline } from './timeline.ts';

const attentionShown = 20;

export function presentOverview(view: Pick<ControlView, 'certificates' | 'problems'>, now: number): Overview {
  const all = view.certificates();
  const attention = certificatePage(all, { limit: attentionShown, sort: 'urgency', attention: 'true' }, now);
  return {
    now: rfc3339(now),
    total: all.length,
    phases: countBy(phases, all, (one) => one.status.phase),
    delivery: countBy(deliveryStates, all, (one) => one.status.delivery),
    managed: countBy(managedStates, all, (one) => one.status.managed),
    attention: attention.items,
    attentionTotal: attention.total,
    problems: view.problems().map(presentNotice),
    timeline: timeline(
      all.map(({ current, renewAt }) => ({ notAfter: current?.notAfter, renewAt })),
      now,
    ),
  };
}

/** What needs a person, by id: how urgently. */
export type Attention = ReadonlyMap<string, Urgency>;

export function attentionOf(all: readonly CertificateView[], now: number): Attention {
  const attention = new Map<string, Urgency>();
  for (const view of all) {
    const { urgency } = assess(view, now);
    if (urgency !== 'none') attention.set(view.id, urgency);
  }
  return attention;
}

export function presentCounts(
  all: readonly CertificateView[],
  attention: Attention,
): Pick<Overview, 'phases' | 'attentionTotal'> {
  return { phases: countBy(phases, all, (one) => one.status.phase), attentionTotal: attention.size };
}

export function presentIssuer(issuer: IssuerDescription, all: readonly CertificateView[]): Issuer {
  const { problem } = issuer;
  return {
    name: issuer.name,
    kind: issuer.kind,
    directory: issuer.directory ?? null,
    account: issuer.account ?? null,
    termsOfService: issuer.termsOfService ?? null,
    rootPem: issuer.rootPem ?? null,
    certificates: all.filter((one) => isOfIssuer(one, issuer.name)).length,
    problem:
      problem === undefined
        ? null
        : { code: problem.code, message: problem.message, until: rfc3339OrNull(problem.until) },
  };
}

const settingsCode: ErrorCode = 'backend.unverified';

/** With what is wrong with the settings they were given, beside what they report themselves. */
export function presentTerminators(view: Pick<ControlView, 'terminators' | 'problems'>): Terminator[] {
  const ofSettings = view.problems().filter(({ code }) => code === settingsCode);
  return view.terminators().map((one) => presentTerminator(one, ofSettings));
}

function presentTerminator(terminator: TerminatorView, ofSettings: readonly Problem[]): Terminator {
  return {
    id: terminator.id,
    connected: terminator.connected,
    since: rfc3339(terminator.since),
    acknowledged: terminator.acknowledged ?? null,
    current: terminator.current,
    upToDate: terminator.acknowledged === terminator.current,
    workers: terminator.workers.map(({ pid, startedAt, connections }) => ({
      pid,
      startedAt: rfc3339(startedAt),
      connections,
    })),
    listening: [...terminator.listening],
    problems: [...terminator.problems, ...ofSettings].map(presentNotice),
    backends: terminator.backends?.map((one) => ({ ...one })) ?? null,
    served: terminator.served,
  };
}

export function presentHistoryEntry(entry: HistoryRecord): HistoryEntry {
  const { id, at, kind, certificateId, code, message, actor } = entry;
  return { id, at: rfc3339(at), kind, certificate: certificateId ?? null, code, message, actor };
}

export function presentToken(token: TokenRecord): Token {
  return {
    id: token.id,
    label: token.label,
    role: token.role,
    createdAt: rfc3339(token.createdAt),
    expiresAt: rfc3339OrNull(token.expiresAt),
    lastUsedAt: rfc3339OrNull(token.lastUsedAt),
  };
}

function presentNotice({ code, message, subject, since }: Problem): Notice {
  return { code, message, subject: subject ?? null, since: rfc3339(since) };
}
