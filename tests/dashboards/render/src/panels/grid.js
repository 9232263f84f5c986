// A chart of rows over time, for the kinds of panel whose components are in no package: its axes, and a hook to paint.
import { UPlotConfigBuilder } from '@grafana/ui';

const LETTER = 7;
const WIDEST = 24;

const fitting = (text) => (text.length > WIDEST ? `${text.slice(0, WIDEST - 1)}…` : text);

export function rowsOverTime({ theme, timeZone, timeRange, ticks, rows, paint }) {
  const builder = new UPlotConfigBuilder(timeZone);
  const longest = Math.max(...ticks.map(({ text }) => fitting(text).length));
  builder.addScale({
    scaleKey: 'x',
    isTime: true,
    orientation: 0,
    direction: 1,
    range: () => [timeRange.from.valueOf(), timeRange.to.valueOf()],
  });
  builder.addScale({ scaleKey: 'y', orientation: 1, direction: 1, range: () => [0, rows] });
  builder.addAxis({ scaleKey: 'x', isTime: true, placement: 'bottom', timeZone, theme, grid: { show: true } });
  builder.addAxis({
    scaleKey: 'y',
    placement: 'left',
    theme,
    grid: { show: false },
    ticks: { show: false },
    size: 14 + LETTER * longest,
    splits: () => ticks.map(({ at }) => at),
    values: () => ticks.map(({ text }) => fitting(text)),
  });
  builder.addSeries({
    scaleKey: 'y',
    theme,
    pathBuilder: () => null,
    pointSize: 0,
    show: true,
    lineWidth: 0,
    colorMode: { mode: 'fixed' },
    fieldName: 'y',
  });
  builder.setCursor({ show: false });
  builder.addHook('draw', (plot) => {
    const { ctx: context, bbox: box } = plot;
    const x = (time) => plot.valToPos(time, 'x', true);
    const y = (row) => plot.valToPos(row, 'y', true);
    context.save();
    context.beginPath();
    context.rect(box.left, box.top, box.width, box.height);
    context.clip();
    paint({ context, x, y });
    context.restore();
  });
  return builder;
}

// The chart's own data: it paints from elsewhere and needs only the times.
export const timesOnly = (times) => [times, times.map(() => null)];
