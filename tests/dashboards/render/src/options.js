// The registries of field options and transformations, filled with what @grafana/data has of them.
import {
  booleanOverrideProcessor,
  dataLinksOverrideProcessor,
  displayNameOverrideProcessor,
  identityOverrideProcessor,
  numberOverrideProcessor,
  standardEditorsRegistry,
  standardFieldConfigEditorRegistry,
  standardTransformers,
  standardTransformersRegistry,
  stringOverrideProcessor,
  thresholdsOverrideProcessor,
  valueMappingsOverrideProcessor,
} from '@grafana/data';

const nothing = () => null;

const FIELD_OPTIONS = [
  ['unit', stringOverrideProcessor],
  ['min', numberOverrideProcessor],
  ['max', numberOverrideProcessor],
  ['decimals', numberOverrideProcessor],
  ['fieldMinMax', booleanOverrideProcessor],
  ['displayName', displayNameOverrideProcessor],
  ['description', stringOverrideProcessor],
  ['noValue', stringOverrideProcessor],
  ['color', identityOverrideProcessor, { mode: 'palette-classic' }],
  ['thresholds', thresholdsOverrideProcessor, { mode: 'absolute', steps: [{ value: -Infinity, color: 'green' }] }],
  ['mappings', valueMappingsOverrideProcessor, []],
  ['links', dataLinksOverrideProcessor],
  ['actions', identityOverrideProcessor],
  ['filterable', booleanOverrideProcessor],
];

export function registerFieldOptions() {
  standardEditorsRegistry.setInit(() => []);
  standardFieldConfigEditorRegistry.setInit(() =>
    FIELD_OPTIONS.map(([id, process, defaultValue]) => ({
      id,
      path: id,
      name: id,
      description: '',
      editor: nothing,
      override: nothing,
      process,
      shouldApply: () => true,
      settings: {},
      defaultValue,
    })),
  );
}

export function registerTransformations() {
  // Some stand there twice, under two names and one id.
  const byId = new Map(Object.values(standardTransformers).map((each) => [each.id, each]));
  standardTransformersRegistry.setInit(() =>
    [...byId.values()].map((each) => ({
      id: each.id,
      name: each.name,
      description: '',
      editor: nothing,
      transformation: async () => each,
    })),
  );
}
