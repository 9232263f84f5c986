// A data source that asks Prometheus' HTTP API from the browser.
import { DataSourceApi, PluginType, rangeUtil } from '@grafana/data';
import { sceneGraph } from '@grafana/scenes';
import { framesOf } from './frames';
import { quoted } from './quoting';

// `jsonData.timeInterval` of the shipped data source.
const SCRAPE_SECONDS = 15;

const META = {
  id: 'prometheus',
  name: 'Prometheus',
  type: PluginType.datasource,
  module: '',
  baseUrl: '',
  info: {
    author: { name: '' },
    description: '',
    links: [],
    logos: { small: '', large: '' },
    screenshots: [],
    updated: '',
    version: '',
  },
};

const seconds = (range) => ({ start: range.from.valueOf() / 1000, end: range.to.valueOf() / 1000 });

function builtIn(step, { start, end }) {
  const rate = Math.max(step + SCRAPE_SECONDS, 4 * SCRAPE_SECONDS);
  const range = Math.round(end - start);
  return {
    __interval: { value: `${step}s` },
    __interval_ms: { value: step * 1000 },
    __rate_interval: { value: `${rate}s` },
    __range: { value: `${range}s` },
    __range_s: { value: range },
    __range_ms: { value: range * 1000 },
  };
}

// What Grafana makes of a series for the regular expression of a variable to read.
function optionOf({ metric: { __name__: name = '', ...labels }, value: [at, value] }) {
  const told = Object.entries(labels).map(([label, text]) => `${label}="${text}"`);
  return { text: `${name}{${told.join(',')}} ${value} ${at * 1000}` };
}

export class PrometheusSource extends DataSourceApi {
  constructor(url) {
    super({ id: 1, uid: 'prometheus', type: 'prometheus', name: 'Prometheus', meta: META, jsonData: {}, readOnly: true });
    this.url = url;
  }

  getRef() {
    return { type: this.type, uid: this.uid };
  }

  async testDatasource() {
    return { status: 'success', message: '' };
  }

  async ask(path, parameters) {
    const answer = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const { status, error, data } = await answer.json();
    if (status !== 'success') {
      throw new Error(error);
    }
    return data;
  }

  insert(text, scopedVars, more = {}) {
    const scene = scopedVars?.__sceneObject?.value?.valueOf();
    return scene ? sceneGraph.interpolate(scene, text, { ...scopedVars, ...more }, quoted) : text;
  }

  async query(request) {
    const span = seconds(request.range);
    const targets = request.targets.filter((target) => !target.hide && target.expr);
    const isOnlyTable = targets.filter((target) => target.format === 'table').length === 1;
    const answered = await Promise.allSettled(
      targets.map((target) => this.answer(target, request, span, isOnlyTable)),
    );
    const failed = answered.findIndex(({ status }) => status === 'rejected');
    return {
      data: answered.flatMap(({ value }) => value ?? []),
      error: failed < 0 ? undefined : { message: String(answered[failed].reason), refId: targets[failed].refId },
    };
  }

  async answer(target, request, span, isOnlyTable) {
    const least = target.interval ? rangeUtil.intervalToSeconds(target.interval) : SCRAPE_SECONDS;
    const step = Math.max(Math.round(request.intervalMs / 1000), least);
    const expression = this.insert(target.expr, request.scopedVars, builtIn(step, span));
    const edge = (moment) => Math.floor(moment / step) * step;
    const { result, resultType } = target.instant
      ? await this.ask('query', { query: expression, time: span.end })
      : await this.ask('query_range', { query: expression, start: edge(span.start), end: edge(span.end), step });
    const answer = resultType === 'scalar' ? [{ metric: {}, value: result }] : result;
    return framesOf(target, expression, answer, step, isOnlyTable);
  }

  async metricFindQuery(query, { scopedVars, range }) {
    const text = this.insert(query.query, scopedVars, builtIn(SCRAPE_SECONDS, seconds(range)));
    const [, expression] = /^query_result\((.+)\)$/.exec(text) ?? [];
    if (expression) {
      const { result } = await this.ask('query', { query: expression, time: seconds(range).end });
      return result.map(optionOf);
    }
    const [, selector, label] = /^label_values\((.+),\s*(\w+)\)$/.exec(text) ?? [];
    if (!label) {
      throw new Error(`neither label_values(selector, label) nor query_result(expression): ${text}`);
    }
    const values = await this.ask(`label/${label}/values`, { 'match[]': selector, ...seconds(range) });
    return values.map((value) => ({ text: value }));
  }
}
