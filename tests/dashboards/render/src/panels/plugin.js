// Panel plugins from a component and the defaults of its options.
import { PanelPlugin } from '@grafana/data';

const nothing = () => null;

const register = (builder, defaults, more = {}) => {
  for (const [path, defaultValue] of Object.entries(defaults)) {
    builder.addCustomEditor({ id: path, path, name: path, defaultValue, editor: nothing, ...more });
  }
};

// Options of a field pass only where they are registered: `custom` has them with their defaults.
export function plugin(id, component, { options = {}, custom = {}, colour = 'palette-classic' }) {
  const made = new PanelPlugin(component);
  made.meta = { id, name: id, type: 'panel', module: '', baseUrl: '', sort: 1, info: { version: '' } };
  made.useFieldConfig({
    standardOptions: { color: { defaultValue: { mode: colour } } },
    useCustomConfig: (builder) =>
      register(builder, custom, { override: nothing, process: (value) => value, shouldApply: () => true }),
  });
  made.setPanelOptions((builder) => register(builder, options));
  return made;
}

export const LEGEND = {
  legend: { displayMode: 'list', placement: 'bottom', calcs: [], showLegend: true },
  tooltip: { mode: 'single', sort: 'none' },
};
