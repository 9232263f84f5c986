// Gives Grafana's packages the services that the Grafana application gives them otherwise.
import { concat, from, of } from 'rxjs';
import { catchError, map } from 'rxjs/operators';
import { EventBusSrv, LoadingState, locationUtil, setTimeZoneResolver } from '@grafana/data';
import {
  config,
  setAppEvents,
  setDataSourceSrv,
  setEchoSrv,
  setPluginComponentHook,
  setPluginImportUtils,
  setPluginLinksHook,
  setReturnToPreviousHook,
  setRunRequest,
  setTemplateSrv,
} from '@grafana/runtime';
import { registerFieldOptions, registerTransformations } from './options';
import { panelPlugins } from './panels';
import { PrometheusSource } from './prometheus';
import { theme } from './theme';

const nothing = () => null;

export function provideServices(prometheusUrl) {
  config.theme2 = theme;
  config.bootData = { user: {}, settings: {}, navTree: [] };
  config.buildInfo = { ...config.buildInfo, env: 'production' };
  config.featureToggles = {};
  window.__grafana_public_path__ = '/public/';
  // Pictures of the same data are the same in every place.
  setTimeZoneResolver(() => 'utc');
  locationUtil.initialize({
    config: { appSubUrl: '' },
    getVariablesUrlParams: () => ({}),
    getTimeRangeForUrl: () => ({ from: 'now-1h', to: 'now' }),
  });
  setAppEvents(new EventBusSrv());
  setEchoSrv({ addEvent: nothing, addBackend: nothing, flush: nothing });
  setTemplateSrv({
    replace: (text) => text,
    getVariables: () => [],
    containsTemplate: () => false,
    updateTimeRange: nothing,
  });
  setPluginLinksHook(() => ({ links: [], isLoading: false }));
  setPluginComponentHook(() => ({ component: null, isLoading: false }));
  setReturnToPreviousHook(() => nothing);
  provideDataSource(new PrometheusSource(prometheusUrl));
  setPluginImportUtils({
    importPanelPlugin: async (id) => panelPlugins[id] ?? Promise.reject(new Error(`no such panel: ${id}`)),
    getPanelPluginFromCache: (id) => panelPlugins[id],
  });
  registerFieldOptions();
  registerTransformations();
}

function provideDataSource(source) {
  const settings = {
    id: 1,
    uid: source.uid,
    type: source.type,
    name: source.name,
    meta: { ...source.meta, metrics: true },
    isDefault: true,
    jsonData: {},
    access: 'proxy',
    readOnly: true,
  };
  setDataSourceSrv({
    get: async () => source,
    getList: () => [settings],
    getInstanceSettings: () => settings,
    reload: nothing,
    registerRuntimeDataSource: nothing,
  });
  setRunRequest((asked, request) => {
    const base = { series: [], annotations: [], timeRange: request.range, request };
    const failed = (error) => ({ ...base, state: LoadingState.Error, error, errors: [error] });
    const answer = from(asked.query(request)).pipe(
      map(({ data, error }) => (error ? { ...failed(error), series: data } : { ...base, state: LoadingState.Done, series: data })),
      catchError((error) => of(failed({ message: String(error) }))),
    );
    return concat(of({ ...base, state: LoadingState.Loading }), answer);
  });
}
