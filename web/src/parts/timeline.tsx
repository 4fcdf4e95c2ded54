import { useState } from 'react';
import { ToggleButton, ToggleButtonGroup } from 'react-aria-components';
import type { Span } from '../types.ts';
import { Card } from './card.tsx';
import { Empty } from './notice.tsx';
import { TimelineChart } from './timeline-chart.tsx';
import { TimelineTable } from './timeline-table.tsx';

/** What renews and what ends, when: a chart, and the same as a table. */
export function Timeline({ spans }: { readonly spans: readonly Span[] }) {
  const [view, setView] = useState<'chart' | 'table'>('chart');
  if (spans.length === 0) {
    return (
      <Card title="Renewals and expiries ahead">
        <Empty title="Nothing is issued yet, so nothing expires." />
      </Card>
    );
  }
  const choice = (
    <ToggleButtonGroup
      className="segments"
      aria-label="Show as"
      disallowEmptySelection
      selectedKeys={[view]}
      onSelectionChange={([key]) => setView(key === 'table' ? 'table' : 'chart')}
    >
      <ToggleButton id="chart" className="segment">
        Chart
      </ToggleButton>
      <ToggleButton id="table" className="segment">
        Table
      </ToggleButton>
    </ToggleButtonGroup>
  );
  return (
    <Card title="Renewals and expiries ahead" aside={choice}>
      {view === 'chart' ? <TimelineChart spans={spans} /> : <TimelineTable spans={spans} />}
    </Card>
  );
}
