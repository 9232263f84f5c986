// Single values, as figures and as bars: Grafana's own components.
import { getDisplayValueAlignmentFactors, getFieldDisplayValues } from '@grafana/data';
import { BarGauge, BigValue, useTheme2, VizRepeater } from '@grafana/ui';
import { isEmpty, Nothing } from './nothing';
import { plugin } from './plugin';

const OPTIONS = { reduceOptions: { values: false, calcs: ['lastNotNull'], fields: '' }, orientation: 'auto' };

function Repeated({ panel, render }) {
  const theme = useTheme2();
  const { data, fieldConfig, options, replaceVariables, timeZone, width, height, renderCounter } = panel;
  const values = () =>
    getFieldDisplayValues({
      fieldConfig,
      reduceOptions: options.reduceOptions,
      replaceVariables,
      theme,
      data: data.series,
      sparkline: (options.graphMode ?? 'none') !== 'none',
      timeZone,
    });
  if (isEmpty(data)) {
    return <Nothing {...panel} />;
  }
  return (
    <VizRepeater
      source={data}
      getValues={values}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={(each) => render({ ...each, theme })}
      renderCounter={renderCounter}
      width={width}
      height={height}
      orientation={options.orientation}
      minVizHeight={options.minVizHeight ?? 16}
      maxVizHeight={options.maxVizHeight}
      minVizWidth={options.minVizWidth ?? 8}
      itemSpacing={10}
      autoGrid
    />
  );
}

function Figures(panel) {
  const { options } = panel;
  return (
    <Repeated
      panel={panel}
      render={({ value, count, width, height, theme }) => (
        <BigValue
          value={value.display}
          sparkline={value.sparkline}
          count={count}
          width={width}
          height={height}
          theme={theme}
          colorMode={options.colorMode}
          graphMode={options.graphMode}
          justifyMode={options.justifyMode}
          textMode={options.textMode === 'auto' && count > 1 ? 'value_and_name' : options.textMode}
          text={options.text}
          wideLayout={options.wideLayout}
        />
      )}
    />
  );
}

function Bars(panel) {
  const { options } = panel;
  return (
    <Repeated
      panel={panel}
      render={({ value, width, height, orientation, alignmentFactors, theme }) => (
        <BarGauge
          value={value.display}
          field={value.field}
          display={value.view?.getFieldDisplayProcessor(value.colIndex)}
          width={width}
          height={height}
          theme={theme}
          orientation={orientation}
          alignmentFactors={alignmentFactors}
          itemSpacing={4}
          lcdCellWidth={12}
          displayMode={options.displayMode}
          valueDisplayMode={options.valueMode}
          namePlacement={options.namePlacement}
          showUnfilled={options.showUnfilled}
          text={options.text}
        />
      )}
    />
  );
}

export const stat = plugin('stat', Figures, {
  options: { ...OPTIONS, textMode: 'auto', colorMode: 'value', graphMode: 'area', justifyMode: 'auto', wideLayout: true },
  colour: 'thresholds',
});

export const bargauge = plugin('bargauge', Bars, {
  options: { ...OPTIONS, displayMode: 'gradient', valueMode: 'color', namePlacement: 'auto', showUnfilled: true },
  colour: 'thresholds',
});
