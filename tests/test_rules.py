"""The shipped rules and alerts: valid, documented, and each alert shown to fire and to stay silent."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import _jsonnet
import promql_parser as promql
import pytest
import yaml

from tests.dashboards.promql import family_of, selections
from tests.oracle.prometheus import require_tool
from tests.prometheus_rule import DEPLOY, FILES, MANIFEST, RULES, groups, manifest

ROOT: Final = Path(__file__).parent.parent
TESTS: Final = sorted((RULES / "tests").glob("*.test.yaml"))
ALERTS: Final = {rule["alert"]: rule for group in groups() for rule in group["rules"] if "alert" in rule}
RECORDED: Final = {rule["record"]: rule for group in groups() for rule in group["rules"] if "record" in rule}


def _promtool(*arguments: str) -> None:
    require_tool("promtool")
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _tested(name: str) -> list[dict[str, Any]]:
    """The expectations of the unit tests about one alert."""
    return [
        expected
        for file in TESTS
        for test in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]
        for expected in test.get("alert_rule_test", ())
        if expected["alertname"] == name
    ]


def test_promtool_takes_the_rules() -> None:
    """Syntax and templates are those of Prometheus 2.42."""
    _promtool("check", "rules", *map(str, FILES))


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name.partition(".")[0])
def test_the_unit_tests_of_the_rules_pass(file: Path) -> None:
    """Values worked out by hand; alerts that fire with their labels and texts, and that stay silent."""
    _promtool("test", "rules", str(file))


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_is_shown_to_fire(name: str) -> None:
    """An alert that cannot fire is worse than none."""
    assert any(expected["exp_alerts"] for expected in _tested(name)), f"{name}: no unit test in which it fires"


#: These fire for one of several series in the same test, and are silent for the others.
_SILENT_BESIDE: Final = {
    "WebrtcPoorCallsSlowBurn",
    "WebrtcCallSetupSlow",
    "WebrtcBacklogGrowing",
}


@pytest.mark.parametrize("name", sorted(ALERTS.keys() - _SILENT_BESIDE))
def test_every_alert_is_shown_to_stay_silent(name: str) -> None:
    """At a time at which the series are there and nothing is wrong."""
    assert any(not expected["exp_alerts"] for expected in _tested(name)), f"{name}: no unit test in which it is silent"


@pytest.mark.parametrize(("name", "rule"), ALERTS.items())
def test_an_alert_says_what_to_do(name: str, rule: dict[str, Any]) -> None:
    """Severity, a fixed summary, a description with the values, and a page (mixtool's rules)."""
    assert re.fullmatch(r"Webrtc[A-Za-z]{1,34}", name)
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    told = rule["annotations"]
    assert re.fullmatch(r"[A-Z][^{}]*\.", told["summary"])
    assert "{{" in told["description"]
    page, _, anchor = told["runbook"].partition("#")
    headings = re.findall(r"^## (.+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert [heading for heading in headings if heading.lower() == anchor] == [name]


def test_every_page_belongs_to_an_alert() -> None:
    """What is left of an alert that went would only mislead."""
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted(ALERTS)


@pytest.mark.parametrize("group", groups(), ids=lambda group: group["name"])
def test_a_group_is_not_too_large(group: dict[str, Any]) -> None:
    """Rules of a group run one after another (mixtool: at most 20, a name of at most 40 characters)."""
    assert len(group["rules"]) <= 20
    assert len(group["name"]) <= 40


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_name_tells_what_it_is(name: str) -> None:
    """level:metric:operations, where the metric is one of the catalogue or what a ratio is made of."""
    level, metric, operations = name.split(":")
    assert level in {"all", "source", "room", "peer", "country", "organization"}
    assert metric.startswith("webrtc_")
    assert operations


@pytest.mark.parametrize(
    "rule", [*RECORDED.values(), *ALERTS.values()], ids=lambda rule: rule.get("record") or rule["alert"]
)
def test_rules_read_what_there_is(rule: dict[str, Any]) -> None:
    """Each metric is in the catalogue, recorded by a rule, or Prometheus' own; each matcher is on one of its labels."""
    for selection in selections(promql.parse(rule["expr"])):
        name = selection.selector.name or ""
        if name == "up" or name in RECORDED:
            continue
        family, is_bucket = family_of(name)
        matched = {matcher.name for matcher in selection.selector.matchers.matchers}
        assert matched <= {*family.labels, *(["le"] if is_bucket else [])}


def test_the_operators_manifest_is_that_of_the_rules() -> None:
    """`make rules` was run after the last change."""
    assert MANIFEST.read_text(encoding="utf-8") == manifest()
    assert yaml.safe_load(manifest())["spec"]["groups"] == groups()


class TestMixin:
    """The jsonnet wrapper gives what the files say."""

    @staticmethod
    def _render(expression: str) -> Any:  # noqa: ANN401 - any JSON
        mixin = DEPLOY / "mixin" / "mixin.libsonnet"
        return json.loads(_jsonnet.evaluate_snippet("test", f"local mixin = import '{mixin}'; {expression}"))

    def test_rules_and_alerts(self) -> None:
        """All groups, once."""
        made = self._render("[mixin.prometheusRules.groups, mixin.prometheusAlerts.groups]")
        assert made[0] + made[1] == groups()

    def test_dashboards(self) -> None:
        """Every shipped board."""
        made = self._render("mixin.grafanaDashboards")
        shipped = {file.name: json.loads(file.read_bytes()) for file in (ROOT / "dashboards").glob("*.json")}
        assert made == shipped

    def test_runbook_urls_where_the_pages_are_published(self) -> None:
        """A site that publishes the pages names them once."""
        made = self._render("(mixin {_config+:: {runbookUrl: 'https://wiki.example/alerts'}}).prometheusAlerts.groups")
        urls = {rule["alert"]: rule["annotations"]["runbook_url"] for group in made for rule in group["rules"]}
        assert urls == {name: f"https://wiki.example/alerts#{name.lower()}" for name in ALERTS}
