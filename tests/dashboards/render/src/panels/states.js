// The lanes of a state timeline: which state a series was in, from when to when.
import { FieldType, formattedValueToString, getFieldDisplayName } from '@grafana/data';

// Neighbours that are the same are one state; what is further apart than a step and a half has a gap between.
function statesOf(times, values, step, display) {
  const states = [];
  for (const [i, time] of times.entries()) {
    const value = values[i];
    const last = states.at(-1);
    const follows = last && time - last.lastTime <= 1.5 * step;
    if (follows) {
      last.end = time;
    }
    if (value === null || value === undefined) {
      continue;
    }
    if (follows && last.value === value) {
      last.lastTime = time;
      last.end = time + step;
    } else {
      const shown = display(value);
      states.push({ value, start: time, lastTime: time, end: time + step, text: formattedValueToString(shown), colour: shown.color });
    }
  }
  return states;
}

export function lanesOf(frames) {
  return frames.flatMap((frame) => {
    const time = frame.fields.find(({ type }) => type === FieldType.time);
    return frame.fields
      .filter((field) => field !== time)
      .map((field) => ({
        name: getFieldDisplayName(field, frame, frames),
        opacity: (field.config.custom?.fillOpacity ?? 70) / 100,
        states: statesOf(time.values, field.values, time.config.interval ?? 15_000, field.display),
      }));
  });
}

// Each state once, in the order of its value.
export function legendOf(lanes) {
  const states = new Map(lanes.flatMap((lane) => lane.states.map((state) => [state.value, state])));
  return [...states.values()]
    .sort((one, other) => one.value - other.value)
    .map(({ text, colour }) => ({ label: text, color: colour, yAxis: 1 }));
}
