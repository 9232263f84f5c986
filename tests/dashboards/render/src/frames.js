// Prometheus' answers as data frames, in the shapes that the formats of a query ask for.
import { createDataFrame, FieldType } from '@grafana/data';

// The name of a series in legends: its labels put into the query's template.
function legend(template, { __name__: name = '', ...labels }, expression) {
  if (template && template !== '__auto') {
    return template.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, label) => labels[label] ?? label);
  }
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return pairs.length || name ? `${name}{${pairs.join(', ')}}` : expression;
}

const samplesOf = (series) => series.values ?? [series.value];

function timeSeries(target, expression, answer, step) {
  return answer.map((series) =>
    createDataFrame({
      refId: target.refId,
      meta: { type: 'timeseries-multi', executedQueryString: expression },
      fields: [
        {
          name: 'Time',
          type: FieldType.time,
          values: samplesOf(series).map(([seconds]) => seconds * 1000),
          config: { interval: step * 1000 },
        },
        {
          name: 'Value',
          type: FieldType.number,
          labels: series.metric,
          values: samplesOf(series).map(([, value]) => Number(value)),
          config: { displayNameFromDS: legend(target.legendFormat, series.metric, expression) },
        },
      ],
    }),
  );
}

// One frame with a column for each label, and one for the value, which is named by its query where there are several.
function table(target, answer, isOnlyTable) {
  if (!answer.length) {
    return [];
  }
  const rows = answer.flatMap((series) => samplesOf(series).map(([seconds, value]) => ({ series, seconds, value })));
  const labels = [...new Set(answer.flatMap((series) => Object.keys(series.metric)))].sort();
  const column = (name, type, read) => ({ name, type, values: rows.map(read), config: {} });
  return [
    createDataFrame({
      refId: target.refId,
      fields: [
        column('Time', FieldType.time, ({ seconds }) => seconds * 1000),
        ...labels.map((label) => column(label, FieldType.string, ({ series }) => series.metric[label] ?? '')),
        column(isOnlyTable ? 'Value' : `Value #${target.refId}`, FieldType.number, ({ value }) => Number(value)),
      ],
    }),
  ];
}

// One frame with a column for each bucket, lowest first, and in it only what is not in the one below.
function heatmap(target, answer, step) {
  if (!answer.length) {
    return [];
  }
  const bound = ({ metric }) => (metric.le === '+Inf' ? Infinity : Number(metric.le));
  const sorted = [...answer].sort((one, other) => bound(one) - bound(other));
  const times = [...new Set(sorted.flatMap((series) => samplesOf(series).map(([seconds]) => seconds)))];
  times.sort((one, other) => one - other);
  const counts = sorted.map((series) => {
    const at = new Map(samplesOf(series).map(([seconds, value]) => [seconds, Number(value)]));
    return times.map((seconds) => at.get(seconds) ?? 0);
  });
  return [
    createDataFrame({
      refId: target.refId,
      meta: { type: 'heatmap-rows' },
      fields: [
        {
          name: 'Time',
          type: FieldType.time,
          values: times.map((seconds) => seconds * 1000),
          config: { interval: step * 1000 },
        },
        ...sorted.map(({ metric }, row) => ({
          name: metric.le,
          type: FieldType.number,
          labels: { le: metric.le },
          config: { displayNameFromDS: metric.le },
          values: counts[row].map((count, i) => Math.max(0, count - (row ? counts[row - 1][i] : 0))),
        })),
      ],
    }),
  ];
}

export function framesOf(target, expression, answer, step, isOnlyTable) {
  switch (target.format) {
    case 'table':
      return table(target, answer, isOnlyTable);
    case 'heatmap':
      return heatmap(target, answer, step);
    default:
      return timeSeries(target, expression, answer, step);
  }
}
