// How full each bucket of a histogram was over time: a likeness, as Grafana's own component is in no package.
import { useMemo } from 'react';
import { FieldType, formattedValueToString, getDisplayProcessor } from '@grafana/data';
import { UPlotChart, useTheme2, VizLayout } from '@grafana/ui';
import { interpolateBlues } from 'd3-scale-chromatic';
import { rowsOverTime, timesOnly } from './grid';
import { isEmpty, Nothing } from './nothing';
import { plugin } from './plugin';

// So many pixels a bound needs to be read.
const LEAST_TICK = 14;

// The fuller, the further from the background.
const shades = (options, most, isDark) => (count) => {
  const share = Math.min(1, (count / most) ** options.color.exponent);
  return interpolateBlues(isDark ? 1 - share : share);
};

function bounds(buckets, options, theme, height) {
  const field = { type: FieldType.number, config: { unit: options.yAxis.unit, decimals: options.yAxis.decimals } };
  const display = getDisplayProcessor({ field, theme });
  const text = (name) => (name === '+Inf' ? name : formattedValueToString(display(Number(name))));
  const every = Math.max(1, Math.ceil((buckets.length * LEAST_TICK) / height));
  return buckets
    .map(({ labels }, row) => ({ at: row + 1, text: text(labels.le) }))
    .filter((_, row) => (buckets.length - 1 - row) % every === 0);
}

const painter = (times, interval, buckets, options, shade) => ({ context, x, y }) => {
  const gap = options.cellGap * devicePixelRatio;
  buckets.forEach(({ values }, row) => {
    const [top, bottom] = [y(row + 1), y(row)];
    values.forEach((count, i) => {
      if (count > options.filterValues.le) {
        const [left, right] = [x(times[i] - interval), x(times[i])];
        context.fillStyle = shade(count);
        context.fillRect(left, top, Math.max(1, right - left - gap), bottom - top - gap);
      }
    });
  });
};

function Scale({ shade, most }) {
  const stops = Array.from({ length: 16 }, (_, i) => shade((most * i) / 15));
  return (
    <div style={{ width: 240, fontSize: 11, padding: '2px 10px' }}>
      <div style={{ height: 8, background: `linear-gradient(90deg, ${stops})` }} />
      <div style={{ display: 'flex', justifyContent: 'space-between' }}>
        <span>0</span>
        <span>{Math.round(most)}</span>
      </div>
    </div>
  );
}

function Heatmap(panel) {
  const { data, width, height, timeRange, timeZone, options } = panel;
  const theme = useTheme2();
  const [time, ...buckets] = data.series[0]?.fields ?? [];
  const most = Math.max(...buckets.flatMap(({ values }) => values));
  const shade = shades(options, most, theme.isDark);
  const config = useMemo(() => {
    if (!time) {
      return undefined;
    }
    const paint = painter(time.values, time.config.interval, buckets, options, shade);
    const ticks = bounds(buckets, options, theme, height);
    return rowsOverTime({ theme, timeZone, timeRange, ticks, rows: buckets.length, paint });
  }, [data, options, theme, timeRange, timeZone, height]);
  if (isEmpty(data)) {
    return <Nothing {...panel} />;
  }
  const legend = options.legend.show && (
    <VizLayout.Legend placement="bottom">
      <Scale shade={shade} most={most} />
    </VizLayout.Legend>
  );
  return (
    <VizLayout width={width} height={height} legend={legend || null}>
      {(w, h) => <UPlotChart config={config} data={timesOnly(time.values)} width={w} height={h} />}
    </VizLayout>
  );
}

export const heatmap = plugin('heatmap', Heatmap, {
  options: {
    calculate: false,
    cellGap: 1,
    showValue: 'auto',
    legend: { show: true },
    color: { mode: 'scheme', scheme: 'Blues', exponent: 0.5 },
    yAxis: {},
    filterValues: { le: 1e-9 },
  },
  custom: { scaleDistribution: { type: 'linear' }, hideFrom: undefined },
});
