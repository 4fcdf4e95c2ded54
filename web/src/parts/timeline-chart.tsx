import { useState } from 'react';
import { count } from '../words/text.ts';
import { axisTime, timeAhead, timeSpan } from '../words/time.ts';
import type { Span } from '../types.ts';

const half = 60;
const slot = 10;

/** Renewals above the line, expiries below it. A hidden slider lets the arrow keys walk through the spans. */
export function TimelineChart({ spans }: { readonly spans: readonly Span[] }) {
  const [chosen, setChosen] = useState<number>();
  const most = Math.max(1, ...spans.flatMap((span) => [span.renewing, span.expiring]));
  const start = Date.parse(spans[0]?.start ?? '');
  const end = Date.parse(spans.at(-1)?.end ?? '');
  const span = spans[chosen ?? -1];
  const growing = widthOf(spans.at(-1)) > 1.5 * widthOf(spans[0]);

  return (
    <div className="timeline">
      <div className="timeline-legend">
        <span className="legend" data-series="renewing">
          Renewals
        </span>
        <span className="legend" data-series="expiring">
          Expiries
        </span>
        <span className="timeline-words" aria-hidden="true">
          {span !== undefined && describe(span)}
        </span>
      </div>
      <span className="timeline-most" aria-hidden="true">
        {most}
      </span>
      <div className="timeline-plot">
        <input
          type="range"
          className="hidden"
          aria-label="Renewals and expiries ahead"
          aria-valuetext={describe(spans[chosen ?? 0])}
          min={0}
          max={spans.length - 1}
          value={chosen ?? 0}
          onChange={(event) => setChosen(event.target.valueAsNumber)}
          onFocus={() => setChosen((known) => known ?? 0)}
          onBlur={() => setChosen(undefined)}
        />
        <svg
          viewBox={`0 0 ${spans.length * slot} ${half * 2}`}
          preserveAspectRatio="none"
          aria-hidden="true"
          onPointerLeave={() => setChosen(undefined)}
        >
          {spans.map((one, index) => {
            const up = (one.renewing / most) * (half - 4);
            const down = (one.expiring / most) * (half - 4);
            const x = index * slot;
            return (
              <g key={one.start} onPointerEnter={() => setChosen(index)} data-chosen={index === chosen}>
                <rect className="slot" x={x} width={slot} y={0} height={half * 2} />
                <rect className="bar-renewing" x={x + 2.5} width={slot - 5} y={half - up} height={up} />
                <rect className="bar-expiring" x={x + 2.5} width={slot - 5} y={half} height={down} />
              </g>
            );
          })}
          <line x1={0} x2={spans.length * slot} y1={half} y2={half} />
        </svg>
      </div>
      <div className="timeline-axis" aria-hidden="true">
        {[0, 0.25, 0.5, 0.75, 1].map((share) => {
          const at = share === 0 ? start : Date.parse(spans[Math.round(share * spans.length) - 1]?.end ?? '');
          const words = growing ? timeAhead(at - start) : axisTime(at, end - start);
          return <span key={share}>{share === 0 ? 'now' : words}</span>;
        })}
      </div>
      {growing && <p className="timeline-note">Each bar covers a longer time than the one before.</p>}
    </div>
  );
}

function widthOf(span: Span | undefined): number {
  return span === undefined ? 0 : Date.parse(span.end) - Date.parse(span.start);
}

function describe(span: Span | undefined): string {
  if (span === undefined) return '';
  const when = timeSpan(Date.parse(span.start), Date.parse(span.end));
  return `${when}: ${count(span.renewing, 'renewal')}, ${count(span.expiring, 'expiry', 'expiries')}`;
}
