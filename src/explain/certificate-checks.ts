/** "Why is this certificate not where it should be?": the ordered checks of one certificate, from wanted to served. */
import type { CertificateView, ControlView } from '../core/ports/control-view.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { IssuerDescription } from '../core/ports/issuer.ts';
import { worstDelivery, type DeliveryStatus } from '../core/status.ts';
import { adviceFor } from './advice.ts';
import type { Check } from './check.ts';
import { check, ok, problem, skipped, waiting, type Finding } from './finding.ts';
import type { Probe } from './probe.ts';
import { servedCheck } from './served-check.ts';
import { timeText } from '../core/time-text.ts';
import { assess } from './urgency.ts';

export interface CertificateChecksDeps {
  readonly view: Pick<ControlView, 'issuers' | 'terminators'>;
  readonly clock: Clock;
  readonly probe: Probe;
}

export function certificateChecks(deps: CertificateChecksDeps): readonly Check<CertificateView>[] {
  const { view, clock } = deps;
  return [
    check('config', 'Wanted by the configuration', (subject) => managedFinding(subject)),
    check('issuer', 'An issuer that can make it', async (subject, signal) =>
      subject.record === undefined
        ? skipped('It is only observed; no issuer of ours makes it.')
        : issuerFinding(subject.record.spec.issuers, await view.issuers(signal), clock.now()),
    ),
    check('issuance', 'Issued and renewed in time', (subject) => issuanceFinding(subject, clock.now())),
    check('delivery', 'Written to its outputs', (subject) =>
      deliveryFinding(
        subject.deliveries.filter((one) => !isTerminator(one)),
        'It has no outputs of its own.',
      ),
    ),
    check('terminator', 'Taken over by the terminators', (subject) => {
      if (view.terminators().length === 0) return skipped('No terminator has connected to this control process.');
      return deliveryFinding(subject.deliveries.filter(isTerminator), 'No terminator is meant to serve it.');
    }),
    servedCheck(deps),
  ];
}

const isTerminator = (one: DeliveryStatus): boolean => one.target.startsWith('terminator:');

function managedFinding({ status }: CertificateView): Finding {
  const { code, message } = status.managedReason;
  switch (status.managed) {
    case 'managed':
      return ok(message, code);
    case 'paused':
      return waiting(code, message);
    case 'removed':
      return problem(code, message, adviceFor('certificate.removed'));
    case 'observed':
      return skipped(message);
  }
}

function issuerFinding(names: readonly string[], issuers: readonly IssuerDescription[], now: number): Finding {
  const troubles: Finding[] = [];
  for (const name of names) {
    const issuer = issuers.find((one) => one.name === name);
    if (issuer === undefined) troubles.push(problem('issuer.unknown', `There is no issuer called ${name}.`));
    else if (issuer.problem === undefined) return usable(name, troubles);
    else {
      const { code, message, until } = issuer.problem;
      const later = until !== undefined && until > now ? ` It is tried again at ${timeText(until)}.` : '';
      troubles.push(problem(code, `${name}: ${message}${later}`));
    }
  }
  return troubles[0] ?? problem('issuer.unknown', 'It names no issuer.');
}

function usable(name: string, troubles: readonly Finding[]): Finding {
  const first = troubles[0];
  if (first === undefined) return ok(`${name} has no known problem.`);
  return ok(`${name} can make it. An issuer preferred to it cannot: ${first.message}`, 'fallback-issuer');
}

function issuanceFinding(subject: CertificateView, now: number): Finding {
  const { phase, phaseReason } = subject.status;
  const { code, message } = phaseReason;
  if (subject.status.managed === 'observed') return skipped('It is not issued by this installation.');
  const assessment = assess(subject, now);
  switch (phase) {
    case 'ready':
      if (assessment.code.startsWith('overdue'))
        return problem('renewal-overdue', assessment.sentence, subject.next.reason.message);
      return assessment.code === 'held-up' ? problem(code, message) : ok(message, code);
    case 'pending':
    case 'issuing':
    case 'renewing':
      return waiting(code, message);
    case 'failing':
    case 'expired': {
      const failure = subject.record?.lastFailure;
      if (failure === undefined) return problem(code, message);
      const next = subject.next.at === undefined ? '' : ` Next attempt at ${timeText(subject.next.at)}.`;
      return problem(failure.code, `${failure.message}${next}`);
    }
  }
}

function deliveryFinding(deliveries: readonly DeliveryStatus[], none: string): Finding {
  const worst = worstDelivery(deliveries);
  if (worst === undefined) return skipped(none);
  // What is said of a terminator names it already.
  const named = isTerminator(worst) && worst.reason.message.includes(worst.target.slice('terminator:'.length));
  const message = named ? worst.reason.message : `${worst.target}: ${worst.reason.message}`;
  switch (worst.state) {
    case 'failed':
      return problem(worst.reason.code, message);
    case 'lagging':
      return waiting(worst.reason.code, message);
    case 'none':
      return waiting(worst.reason.code, message);
    case 'delivered':
      return ok(
        deliveries.length === 1 ? message : `All ${deliveries.length} have the version in use.`,
        worst.reason.code,
      );
  }
}
