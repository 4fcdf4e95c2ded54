/** Several certificates for one name: which one is bound to it, and what a person should know. */
import type { CertificateId } from '../../core/certificate.ts';
import type { HostSettings } from '../../core/terminator.ts';
import type { Precedence } from './precedence.ts';
import type { Problems } from './problems.ts';
import type { CertificateTable, Conflict } from './table.ts';

/** A long list helps nobody: after so many, only their number is told. */
const mostShown = 50;
const prefix = 'certificate-conflict ';

/** Host names, exact or wildcard, and the one certificate that may serve them. Where a name is bound twice, the first counts. */
export function bindingsOf(hosts: readonly HostSettings[]): ReadonlyMap<string, CertificateId> {
  const bindings = new Map<string, CertificateId>();
  for (const { names, certificateId } of hosts) {
    if (certificateId === undefined) continue;
    for (const name of names) if (!bindings.has(name)) bindings.set(name, certificateId);
  }
  return bindings;
}

/** Tells, as problems, what is in conflict now; what no longer is, is cleared. */
export function showConflicts(table: CertificateTable, problems: Problems, now: number): void {
  const shown = new Set<string>();
  const show = (key: string, problem: Parameters<Problems['set']>[1]): void => {
    shown.add(prefix + key);
    problems.set(prefix + key, problem);
  };
  let more = 0;
  for (const conflict of table.conflicts(now)) {
    if (shown.size >= mostShown) {
      more += 1;
      continue;
    }
    const { name, loses } = conflict;
    show(`${name} ${loses.slot}`, {
      code: 'terminator.certificate-conflict',
      message: sentence(conflict),
      subject: name,
    });
  }
  if (more > 0) {
    const message = `There are ${more} more names that several certificates carry.`;
    show('more', { code: 'terminator.certificate-conflict', message });
  }
  for (const [host, certificateId] of table.unserved(now)) {
    const message = `${host} is bound to ${certificateId}, which is not there or does not carry that name: handshakes for it are refused.`;
    show(`bound ${host}`, { code: 'terminator.name-unserved', message, subject: host });
  }
  for (const key of problems.keys(prefix)) if (!shown.has(key)) problems.clear(key);
}

function sentence({ name, serves, loses, because }: Conflict): string {
  const both = `${serves.certificateId} (${serves.source}) and ${loses.certificateId} (${loses.source}) both carry ${name}.`;
  return `${both} ${serves.certificateId} serves it, because ${reasons[because]}.`;
}

const reasons: Record<Precedence, string> = {
  valid: 'it is valid now and the other one is not',
  rank: "Certplane's own certificates come before files, and files before Secrets",
  'later-end': 'it ends later',
  arbitrary: 'nothing else tells them apart and one has to; bind the host to the one you want',
};
