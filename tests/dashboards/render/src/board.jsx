// A classic dashboard as a scene: its variables, rows and panels at their places.
import {
  behaviors,
  EmbeddedScene,
  SceneControlsSpacer,
  SceneDataTransformer,
  SceneGridItem,
  SceneGridLayout,
  SceneGridRow,
  SceneQueryRunner,
  SceneTimePicker,
  SceneTimeRange,
  SceneVariableSet,
  VariableValueSelectors,
  VizPanel,
} from '@grafana/scenes';
import { BoardLinks } from './links';
import { variable } from './variables';

const FIXED = { isDraggable: false, isResizable: false };

function dataOf(panel) {
  const runner = new SceneQueryRunner({
    queries: panel.targets,
    datasource: panel.datasource,
    maxDataPoints: panel.maxDataPoints,
    minInterval: panel.interval,
    maxDataPointsFromWidth: true,
  });
  return new SceneDataTransformer({ $data: runner, transformations: panel.transformations ?? [] });
}

function item(panel) {
  const { x, y, w, h } = panel.gridPos;
  const body = new VizPanel({
    key: `panel-${panel.id}`,
    title: panel.title,
    description: panel.description,
    pluginId: panel.type,
    options: panel.options ?? {},
    fieldConfig: panel.fieldConfig ?? { defaults: {}, overrides: [] },
    displayMode: panel.transparent ? 'transparent' : 'default',
    $data: panel.targets?.length ? dataOf(panel) : undefined,
  });
  return new SceneGridItem({ ...FIXED, x, y, width: w, height: h, body });
}

function children(panels) {
  const placed = [];
  let row;
  for (const panel of panels) {
    if (panel.type === 'row') {
      const inside = (panel.panels ?? []).map(item);
      row = new SceneGridRow({
        ...FIXED,
        key: `row-${panel.id}`,
        title: panel.title,
        isCollapsed: panel.collapsed,
        x: 0,
        y: panel.gridPos.y,
        children: inside,
      });
      placed.push(row);
    } else if (row) {
      row.setState({ children: [...row.state.children, item(panel)] });
    } else {
      placed.push(item(panel));
    }
  }
  return placed;
}

export function sceneOf(board, { choices, from, to }) {
  return new EmbeddedScene({
    $timeRange: new SceneTimeRange({ from: from ?? board.time.from, to: to ?? board.time.to, timeZone: 'utc' }),
    $variables: new SceneVariableSet({
      variables: board.templating.list.map((each) => variable(each, choices[each.name])),
    }),
    $behaviors: [new behaviors.CursorSync({ key: 'sync', sync: board.graphTooltip ?? 0 })],
    controls: [
      new VariableValueSelectors({}),
      new SceneControlsSpacer(),
      new BoardLinks({ links: board.links ?? [] }),
      new SceneTimePicker({ isOnCanvas: true }),
    ],
    body: new SceneGridLayout({ isDraggable: false, isResizable: false, isLazy: false, children: children(board.panels) }),
  });
}
