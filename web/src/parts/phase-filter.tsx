import { Link } from 'wouter';
import type { CertificateList } from '../types.ts';
import { certificatesPath, type CertificateFilter } from '../words/certificate-filter.ts';
import { phaseLooks, phaseOrder } from '../words/status.ts';

interface PhaseFilterProps {
  readonly filter: CertificateFilter;
  /** Of what the search and the issuer leave, once they are known. */
  readonly counts: CertificateList['counts'] | undefined;
}

export function PhaseFilter({ filter, counts }: PhaseFilterProps) {
  const chips = [
    { words: 'All', amount: counts?.total, to: { phase: undefined, attention: false } },
    { words: 'Needs a person', amount: counts?.attention, to: { phase: undefined, attention: true } },
    ...phaseOrder.map((phase) => ({
      words: phaseLooks[phase].label,
      amount: counts?.phases[phase],
      to: { phase, attention: false },
    })),
  ];
  return (
    <nav className="chips" aria-label="Filter">
      {chips.map(({ words, amount, to }) => {
        const current = filter.phase === to.phase && filter.attention === to.attention;
        if (amount === 0 && !current && to.phase !== undefined) return null;
        return (
          <Link
            key={words}
            className="chip"
            href={certificatesPath({ ...filter, ...to })}
            replace
            aria-current={current ? 'true' : undefined}
          >
            {words}
            {amount !== undefined && <span className="chip-count">{amount}</span>}
          </Link>
        );
      })}
    </nav>
  );
}
