// The shipped rules, alerts and dashboards as a monitoring mixin; the YAML and the JSON beside it are the source.
//
//   jsonnet -e '(import "mixin.libsonnet").prometheusAlerts'
//
// With `_config+:: {runbookUrl: 'https://example.org/docs/alerts.md'}` every alert also gets its page as `runbook_url`.
{
  _config+:: {
    // Where docs/alerts.md can be read; empty: nowhere.
    runbookUrl: '',
  },

  local withRunbookUrl(rule) =
    if $._config.runbookUrl == '' || !std.objectHas(rule, 'alert') then rule
    else rule { annotations+: { runbook_url: $._config.runbookUrl + '#' + std.asciiLower(rule.alert) } },

  local groups(text) = [
    group { rules: std.map(withRunbookUrl, group.rules) }
    for group in std.parseYaml(text).groups
  ],

  prometheusRules+:: { groups+: groups(importstr '../prometheus/rules/recording.yaml') },
  prometheusAlerts+:: { groups+: groups(importstr '../prometheus/rules/alerts.yaml') },
  grafanaDashboards+:: {
    'overview.json': import '../../dashboards/overview.json',
    'room.json': import '../../dashboards/room.json',
    'peer.json': import '../../dashboards/peer.json',
    'exporter.json': import '../../dashboards/exporter.json',
  },
}
