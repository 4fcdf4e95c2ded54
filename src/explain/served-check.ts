/** The last link: what a client is really shown, by a handshake with each address of each connected terminator. */
import { isWildcard } from '../core/names.ts';
import type { CertificateView, ControlView } from '../core/ports/control-view.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Check } from './check.ts';
import { check, ok, problem, skipped, waiting, type Finding } from './finding.ts';
import { connectable, type Connectable } from './listening.ts';
import type { Probe } from './probe.ts';
import { rememberedProbe } from './remembered-probe.ts';

export interface ServedCheckDeps {
  readonly view: Pick<ControlView, 'terminators'>;
  readonly clock: Clock;
  readonly probe: Probe;
}

/** Enough to see a mistake, little enough to run on every look at the page. */
const mostNames = 3;
const mostAddresses = 4;
/** A version may travel this long before it has to be on the wire. */
const graceMs = 30_000;

export function servedCheck({ view, clock, probe }: ServedCheckDeps): Check<CertificateView> {
  const ask = rememberedProbe(probe, clock);
  return check('served', 'Really shown to clients', async (subject, signal) => {
    const { current } = subject;
    if (current === undefined) return skipped('There is no version yet that could be served.');
    if (subject.servedBy.length === 0) return skipped('No terminator serves it.');
    const addresses = listeningOf(view.terminators(), subject);
    if (addresses.length === 0) return skipped('No terminator that serves it listens for https where it can be tried.');
    const tries = addresses.flatMap((address) =>
      subject.names
        .slice(0, mostNames)
        .map((name) => ({ host: address.host, port: address.port, servername: hostFor(name) })),
    );
    const findings = await Promise.all(
      tries.map(async (target): Promise<Finding> => {
        const shown = await ask(target, signal, current.serial);
        const place = `${target.servername} at ${target.host}:${target.port}`;
        if (shown.kind === 'failed') {
          return problem('terminator.name-unserved', `The handshake for ${place} failed: ${shown.message}`, unserved);
        }
        if (shown.serial === current.serial) return ok(`${place} shows serial ${shown.serial}.`);
        const differs = `${place} shows serial ${shown.serial} instead of ${current.serial}.`;
        return clock.now() - current.issuedAt < graceMs
          ? waiting('serial-differs', differs)
          : problem('serial-differs', differs, stale);
      }),
    );
    return (
      findings.find((one) => one.verdict === 'problem') ??
      findings.find((one) => one.verdict === 'waiting') ??
      ok(`Every handshake tried (${findings.length}) showed serial ${current.serial}.`)
    );
  });
}

const unserved = 'Look at the problems of the terminator; "certplane doctor" lists them.';
const stale = 'Another certificate may cover the name, or the terminator is behind; see its problems.';

function listeningOf(terminators: ReturnType<ControlView['terminators']>, subject: CertificateView): Connectable[] {
  const serving = new Set(subject.servedBy.filter((one) => one.connected).map((one) => one.terminatorId));
  const found = new Map<string, Connectable>();
  for (const terminator of terminators) {
    if (!terminator.connected || !serving.has(terminator.id)) continue;
    for (const listening of terminator.listening) {
      const address = connectable(listening);
      if (address !== undefined) found.set(`${address.host} ${address.port}`, address);
    }
  }
  return [...found.values()].slice(0, mostAddresses);
}

/** A wildcard is tried with a name nobody else is likely to have a certificate for. */
function hostFor(name: string): string {
  return isWildcard(name) ? `certplane-check${name.slice(1)}` : name;
}
