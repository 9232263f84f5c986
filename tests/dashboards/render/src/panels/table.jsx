// Tables: Grafana's own component, with its coloured cells and links.
import { cacheFieldDisplayNames } from '@grafana/data';
import { TableNG } from '@grafana/ui/unstable';
import { isEmpty, Nothing } from './nothing';
import { plugin } from './plugin';

function Table(panel) {
  const { data, width, height, options, fieldConfig, timeRange } = panel;
  if (isEmpty(data)) {
    return <Nothing {...panel} />;
  }
  cacheFieldDisplayNames(data.series);
  return (
    <TableNG
      data={data.series[options.frameIndex]}
      width={width}
      height={height}
      noHeader={!options.showHeader}
      initialSortBy={options.sortBy}
      sortBy={options.sortBy}
      cellHeight={options.cellHeight}
      timeRange={timeRange}
      fieldConfig={fieldConfig}
      structureRev={data.structureRev}
      enableVirtualization
    />
  );
}

export const table = plugin('table', Table, {
  options: { frameIndex: 0, showHeader: true, cellHeight: 'sm', sortBy: [] },
  custom: {
    align: 'auto',
    cellOptions: { type: 'auto' },
    inspect: false,
    width: undefined,
    minWidth: undefined,
    filterable: undefined,
    hidden: undefined,
    hideFrom: undefined,
  },
  colour: 'thresholds',
});
