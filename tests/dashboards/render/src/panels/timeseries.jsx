// Graphs over time: Grafana's own component.
import { useMemo } from 'react';
import { FieldType } from '@grafana/data';
import { TimeSeries } from '@grafana/ui';
import { isEmpty, Nothing } from './nothing';
import { LEGEND, plugin } from './plugin';

const CUSTOM = {
  drawStyle: 'line',
  lineInterpolation: 'linear',
  lineWidth: 1,
  fillOpacity: 0,
  gradientMode: 'none',
  spanNulls: false,
  insertNulls: false,
  showPoints: 'auto',
  showValues: false,
  pointSize: 5,
  barAlignment: 0,
  barWidthFactor: 0.6,
  lineStyle: undefined,
  fillBelowTo: undefined,
  transform: undefined,
  stacking: { mode: 'none', group: 'A' },
  axisPlacement: 'auto',
  axisLabel: '',
  axisColorMode: 'text',
  axisBorderShow: false,
  axisWidth: undefined,
  axisSoftMin: undefined,
  axisSoftMax: undefined,
  axisGridShow: undefined,
  axisCenteredZero: false,
  scaleDistribution: { type: 'linear' },
  thresholdsStyle: { mode: 'off' },
  hideFrom: { tooltip: false, viz: false, legend: false },
};

const SHOWN = [FieldType.time, FieldType.number];

function Graph(panel) {
  const { data, options, width, height, timeRange, timeZone } = panel;
  const frames = useMemo(
    () => data.series.map((frame) => ({ ...frame, fields: frame.fields.filter(({ type }) => SHOWN.includes(type)) })),
    [data],
  );
  if (isEmpty(data)) {
    return <Nothing {...panel} />;
  }
  return (
    <TimeSeries
      frames={frames}
      structureRev={data.structureRev}
      timeRange={timeRange}
      timeZone={[timeZone]}
      width={width}
      height={height}
      legend={options.legend}
      options={options}
    />
  );
}

export const timeseries = plugin('timeseries', Graph, { options: LEGEND, custom: CUSTOM });
