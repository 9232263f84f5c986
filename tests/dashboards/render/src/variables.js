// The variables of a classic dashboard, as the kinds that the boards have.
import { DataSourceVariable, QueryVariable } from '@grafana/scenes';

export function variable(given, chosen) {
  const several = {
    name: given.name,
    label: given.label,
    hide: given.hide ?? 0,
    isMulti: Boolean(given.multi),
    includeAll: Boolean(given.includeAll),
    allValue: given.allValue || undefined,
    defaultToAll: Boolean(given.includeAll),
  };
  if (given.type === 'datasource') {
    return new DataSourceVariable({ ...several, pluginId: given.query, value: 'prometheus', text: 'Prometheus' });
  }
  if (given.type === 'query') {
    const value = chosen && (given.multi ? chosen : chosen[0]);
    return new QueryVariable({
      ...several,
      value: value ?? (given.multi ? [] : ''),
      text: value ?? (given.multi ? [] : ''),
      query: given.query,
      datasource: given.datasource,
      definition: given.definition,
      regex: given.regex ?? '',
      sort: given.sort,
      refresh: given.refresh,
    });
  }
  throw new Error(`variable ${given.name}: no such type: ${given.type}`);
}
