// What stands in a panel without data: the board's own words for it.
import { useTheme2 } from '@grafana/ui';

export const isEmpty = (data) => !data.series.some((frame) => frame.length);

export function Nothing({ width, height, fieldConfig }) {
  const theme = useTheme2();
  const style = {
    width,
    height,
    display: 'grid',
    placeItems: 'center',
    textAlign: 'center',
    padding: 8,
    color: theme.colors.text.secondary,
  };
  return <div style={style}>{fieldConfig.defaults.noValue ?? 'No data'}</div>;
}
