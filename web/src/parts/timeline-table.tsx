import { AbsoluteTime } from './time.tsx';
import type { Span } from '../types.ts';

export function TimelineTable({ spans }: { readonly spans: readonly Span[] }) {
  return (
    <table className="plain-table timeline-table">
      <caption className="hidden">Renewals and expiries ahead; times with neither are left out</caption>
      <thead>
        <tr>
          <th scope="col">From</th>
          <th scope="col">To</th>
          <th scope="col" className="number">
            Renewals
          </th>
          <th scope="col" className="number">
            Expiries
          </th>
        </tr>
      </thead>
      <tbody>
        {spans
          .filter((span) => span.renewing + span.expiring > 0)
          .map((span) => (
            <tr key={span.start}>
              <td>
                <AbsoluteTime at={span.start} />
              </td>
              <td>
                <AbsoluteTime at={span.end} />
              </td>
              <td className="number">{span.renewing}</td>
              <td className="number">{span.expiring}</td>
            </tr>
          ))}
      </tbody>
    </table>
  );
}
