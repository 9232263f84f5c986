// A lane for each series, coloured by its state: a likeness, as Grafana's own component is in no package.
import { useMemo } from 'react';
import { UPlotChart, useTheme2, VizLayout, VizLegend } from '@grafana/ui';
import { rowsOverTime, timesOnly } from './grid';
import { isEmpty, Nothing } from './nothing';
import { LEGEND, plugin } from './plugin';
import { lanesOf, legendOf } from './states';

const FONT_SIZE = 12;
const PADDING = 6;

const painter = (lanes, options, theme) => ({ context, x, y }) => {
  context.font = `${FONT_SIZE * devicePixelRatio}px Inter`;
  context.textBaseline = 'middle';
  context.textAlign = 'left';
  lanes.forEach((lane, i) => {
    const middle = lanes.length - i - 0.5;
    const top = y(middle + options.rowHeight / 2);
    const bottom = y(middle - options.rowHeight / 2);
    for (const { start, end, text, colour } of lane.states) {
      const [left, right] = [x(start), x(end)];
      context.globalAlpha = lane.opacity;
      context.fillStyle = colour;
      context.fillRect(left, top, right - left, bottom - top);
      context.globalAlpha = 1;
      const isRoom = context.measureText(text).width + 2 * PADDING < right - left && bottom - top > FONT_SIZE;
      if (options.showValue === 'always' || (options.showValue === 'auto' && isRoom)) {
        context.fillStyle = theme.colors.getContrastText(colour);
        context.fillText(text, left + PADDING, (top + bottom) / 2);
      }
    }
  });
};

function StateTimeline(panel) {
  const { data, width, height, timeRange, timeZone, options } = panel;
  const theme = useTheme2();
  const lanes = useMemo(() => lanesOf(data.series), [data]);
  const config = useMemo(() => {
    const ticks = lanes.map(({ name }, i) => ({ at: lanes.length - i - 0.5, text: name })).reverse();
    return rowsOverTime({ theme, timeZone, timeRange, ticks, rows: lanes.length, paint: painter(lanes, options, theme) });
  }, [lanes, options, theme, timeRange, timeZone]);
  if (isEmpty(data)) {
    return <Nothing {...panel} />;
  }
  const legend = (
    <VizLayout.Legend placement="bottom">
      <VizLegend items={legendOf(lanes)} placement="bottom" displayMode="list" />
    </VizLayout.Legend>
  );
  return (
    <VizLayout width={width} height={height} legend={options.legend.showLegend ? legend : null}>
      {(w, h) => <UPlotChart config={config} data={timesOnly([timeRange.from.valueOf(), timeRange.to.valueOf()])} width={w} height={h} />}
    </VizLayout>
  );
}

export const statetimeline = plugin('state-timeline', StateTimeline, {
  options: { ...LEGEND, mergeValues: true, showValue: 'auto', rowHeight: 0.9, alignValue: 'left' },
  custom: { lineWidth: 0, fillOpacity: 70, spanNulls: false, insertNulls: false, hideFrom: undefined, axisPlacement: 'auto' },
  colour: 'thresholds',
});
