// Tells what each panel of a drawn board ended up with, for checks that a picture does not answer.
import { fieldMatchers, FieldType, formattedValueToString, getFieldDisplayName, LoadingState } from '@grafana/data';
import { sceneGraph, VizPanel } from '@grafana/scenes';

const panelsOf = (scene) => sceneGraph.findAllObjects(scene, (each) => each instanceof VizPanel);

const answerOf = (panel) => (panel.state.$data ? sceneGraph.getData(panel).state.data : undefined);

export function isSettled(scene) {
  const done = (panel) => [LoadingState.Done, LoadingState.Error].includes(answerOf(panel)?.state);
  return panelsOf(scene).every((panel) => panel.getPlugin() && (!panel.state.$data || done(panel)));
}

// Which texts and colours stand for which values; of what has many, the first ones are enough.
function shownValues(field) {
  const shown = new Map();
  for (const value of field.values) {
    if (value !== null && value !== undefined && !shown.has(value) && shown.size < 50) {
      const display = field.display(value);
      shown.set(value, { value, text: formattedValueToString(display), colour: display.color });
    }
  }
  return [...shown.values()];
}

function linksOf(field) {
  if (!field.getLinks || !field.config.links?.length) {
    return [];
  }
  const rows = field.values.length;
  // A graph's line has the same link all along; a table's column another one in each row.
  const places = rows > 100 ? [0, rows - 1] : [...Array(rows).keys()];
  return places.flatMap((valueRowIndex) =>
    field.getLinks({ valueRowIndex }).map(({ title, href }) => ({ title, href, value: field.values[valueRowIndex] })),
  );
}

function auditField(field, frame, frames) {
  return {
    name: getFieldDisplayName(field, frame, frames),
    unit: field.config.unit,
    isMapped: Boolean(field.config.mappings?.length),
    values: shownValues(field),
    links: linksOf(field),
  };
}

function isDead({ matcher }, frames) {
  const matches = fieldMatchers.get(matcher.id).get(matcher.options);
  return !frames.some((frame) => frame.fields.some((field) => matches(field, frame, frames)));
}

function auditPanel(panel) {
  const answer = answerOf(panel);
  const frames = (answer && panel.applyFieldConfig(answer).series) ?? [];
  return {
    title: panel.state.title,
    type: panel.state.pluginId,
    state: answer?.state,
    errors: [panel.state._pluginLoadError, ...(answer?.errors ?? []).map(({ message }) => message)].filter(Boolean),
    rows: frames.reduce((most, frame) => Math.max(most, frame.length), 0),
    fields: frames.flatMap((frame) =>
      frame.fields.filter(({ type }) => type !== FieldType.time).map((field) => auditField(field, frame, frames)),
    ),
    deadOverrides: frames.length
      ? panel.state.fieldConfig.overrides.filter((each) => isDead(each, frames)).map(({ matcher }) => matcher.options)
      : [],
  };
}

export function audit(scene) {
  return panelsOf(scene).map(auditPanel);
}
