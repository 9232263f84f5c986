// The kinds of panel that the boards have, by Grafana's names for them.
import { heatmap } from './heatmap';
import { bargauge, stat } from './reduced';
import { statetimeline } from './statetimeline';
import { table } from './table';
import { text } from './text';
import { timeseries } from './timeseries';

export const panelPlugins = { bargauge, heatmap, stat, 'state-timeline': statetimeline, table, text, timeseries };
