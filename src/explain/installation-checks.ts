/** What `certplane doctor` looks at: the same links as for one certificate, over the whole installation. */
import type { CertificateView, ControlView, Problem } from '../core/ports/control-view.ts';
import type { Clock } from '../core/ports/clock.ts';
import { adviceFor } from './advice.ts';
import type { Check } from './check.ts';
import { aboutSubject, check, ok, problem, skipped, waiting, type Finding } from './finding.ts';
import { assess } from './urgency.ts';

export interface InstallationChecksDeps {
  readonly view: Pick<ControlView, 'certificates' | 'issuers' | 'problems' | 'terminators'>;
  readonly clock: Clock;
}

export function installationChecks({ view, clock }: InstallationChecksDeps): readonly Check[] {
  const wanted = (): readonly CertificateView[] =>
    view.certificates().filter((one) => one.status.managed === 'managed' || one.status.managed === 'paused');
  return [
    check('config', 'The configuration is in effect', () =>
      problemsFinding(
        view.problems().filter((one) => one.code.startsWith('config.')),
        `It asks for ${count(wanted().length, 'certificate')}.`,
      ),
    ),
    check('state', 'Nothing else is wrong with the installation', () =>
      problemsFinding(
        view.problems().filter((one) => !one.code.startsWith('config.')),
        'No problem is known.',
      ),
    ),
    check('issuer', 'The issuers can issue', async (_, signal) => {
      const issuers = await view.issuers(signal);
      if (issuers.length === 0) return skipped('No issuer is configured.');
      const bad = issuers.flatMap(({ name, problem: trouble }) =>
        trouble === undefined ? [] : [{ name, ...trouble }],
      );
      const [first] = bad;
      if (first === undefined) return ok(`${count(issuers.length, 'issuer')} without a known problem.`);
      return problem(first.code, `${first.name}: ${first.message}${others(bad.length)}`);
    }),
    check('issuance', 'Certificates are issued and renewed in time', () => {
      const now = clock.now();
      const bad = wanted().filter((one) => isBehind(one, now));
      const [first] = bad;
      if (first === undefined) return ok(`${count(wanted().length, 'certificate')} as planned.`);
      const { code, message } = first.record?.lastFailure ?? first.status.phaseReason;
      const words = first.status.phase === 'failing' ? message : assess(first, now).sentence;
      return problem(code, `${first.id}: ${words}${others(bad.length)}`);
    }),
    check('delivery', 'Certificates are where they should be', () => {
      const all = view.certificates();
      const failed = all.filter((one) => one.status.delivery === 'failed');
      const lagging = all.filter((one) => one.status.delivery === 'lagging');
      const [first] = [...failed, ...lagging];
      if (first === undefined) return ok('Every output and terminator has the version in use.');
      const { code, message } = first.status.deliveryReason;
      if (failed.length > 0) return problem(code, `${first.id}: ${message}${others(failed.length)}`);
      return waiting(code, `${first.id}: ${message}${others(lagging.length)}`);
    }),
    check('terminator', 'Terminators are connected and up to date', () => terminatorFinding(view)),
    check('served', 'Expired certificates are not served', () => {
      const now = clock.now();
      const bad = view.certificates().filter((one) => one.servedBy.some((by) => by.connected && by.notAfter <= now));
      const [first] = bad;
      if (first === undefined) return ok('No terminator serves an expired certificate.');
      return problem('certificate.expired', `${first.id} is served although it has expired.${others(bad.length)}`);
    }),
  ];
}

function isBehind(view: CertificateView, now: number): boolean {
  const { phase } = view.status;
  if (phase === 'failing' || phase === 'expired') return true;
  const { code } = assess(view, now);
  return code.startsWith('overdue') || code === 'held-up';
}

function problemsFinding(problems: readonly Problem[], fine: string): Finding {
  const [first] = problems;
  if (first === undefined) return ok(fine);
  // A broken file has a line for each of its problems: the first says enough here, and its advice leads to the rest.
  const message = first.message.split('\n', 2).join(' ');
  return problem(first.code, `${aboutSubject(first.subject, message)}${others(problems.length)}`);
}

function terminatorFinding(view: InstallationChecksDeps['view']): Finding {
  const terminators = view.terminators();
  if (terminators.length === 0) return skipped('No terminator has connected to this control process.');
  const troubles = terminators.flatMap((one) => one.problems.map((trouble) => ({ id: one.id, ...trouble })));
  const [trouble] = troubles;
  if (trouble !== undefined) {
    const sentence = aboutSubject(trouble.subject, trouble.message);
    return problem(trouble.code, `${trouble.id}: ${sentence}${others(troubles.length)}`);
  }
  const gone = terminators.filter((one) => !one.connected);
  if (gone.length === terminators.length) {
    const message = `No terminator is connected; the last one seen is ${gone[0]?.id}. It goes on serving what it has.`;
    return problem('terminator.control-unreachable', message, adviceFor('terminator.control-unreachable'));
  }
  const behind = terminators.filter((one) => one.connected && one.acknowledged !== one.current);
  if (behind.length > 0) return waiting('behind', `${behind[0]?.id} has not acknowledged the latest change yet.`);
  const asRoot = terminators.some((one) => one.connected && one.workers.some((worker) => worker.asRoot === true));
  const hint = asRoot ? ' Workers run as root: write terminator.user, and they give its rights up.' : '';
  return ok(`${count(terminators.length - gone.length, 'terminator')} connected and up to date.${hint}`);
}

function count(amount: number, what: string): string {
  return `${amount} ${what}${amount === 1 ? '' : 's'}`;
}

function others(total: number): string {
  return total > 1 ? ` (and ${total - 1} more)` : '';
}
