import { Link } from 'wouter';
import type { Overview } from '../types.ts';
import { phaseLooks, phaseOrder } from '../words/status.ts';
import { Icon } from './icon.tsx';

/** How many certificates are in each phase; each number leads to them. */
export function PhaseCounts({ overview }: { readonly overview: Overview }) {
  return (
    <ul className="counts" aria-label="Certificates by phase">
      <li>
        <Link href="/certificates" className="count">
          <span className="count-label">
            <Icon name="certificate" />
            All
          </span>
          <span className="count-number">{overview.total}</span>
        </Link>
      </li>
      {phaseOrder.toReversed().map((phase) => {
        const { label, icon, tone } = phaseLooks[phase];
        const amount = overview.phases[phase];
        return (
          <li key={phase}>
            <Link href={`/certificates?phase=${phase}`} className="count" data-tone={amount === 0 ? 'none' : tone}>
              <span className="count-label">
                <Icon name={icon} />
                {label}
              </span>
              <span className="count-number">{amount}</span>
            </Link>
          </li>
        );
      })}
    </ul>
  );
}
