"""The shipped dashboards: generated, valid, and in accord with the catalogue and the limits of the verdicts."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from dashboards.__main__ import write
from dashboards.boards import BOARDS
from dashboards.encoding import encode
from dashboards.panels import reference
from dashboards.queries import UnknownMetricError, metric
from exporter.metrics.catalogue import FAMILIES
from tests.dashboards.boards import FOLDER, as_rules, committed
from tests.dashboards.grafana import charts, panels
from tests.dashboards.lint import Exemption, findings
from tests.dashboards.lint_queries import parsed
from tests.dashboards.promql import RECORDED, family_of, selections

if TYPE_CHECKING:
    from pathlib import Path

    from tests.dashboards.grafana import Json

COMMITTED: Final = committed()


@pytest.mark.parametrize("name", BOARDS)
def test_generated_is_committed(name: str) -> None:
    """The JSON that people import is what the Python makes (`make dashboards`)."""
    assert encode(BOARDS[name]()) == (FOLDER / f"{name}.json").read_bytes()


def test_nothing_else_is_committed() -> None:
    """No dashboard is left behind without the Python that made it."""
    assert {file.stem for file in FOLDER.glob("*.json")} == set(BOARDS)


def test_write_makes_one_file_for_each(tmp_path: Path) -> None:
    """The command writes every board into the folder and says which."""
    files = write(tmp_path)
    assert sorted(file.name for file in files) == ["exporter.json", "overview.json", "peer.json", "room.json"]
    assert all(file.read_bytes() == (FOLDER / file.name).read_bytes() for file in files)


def test_addresses_are_kept() -> None:
    """Links of people point at these uids: they never change."""
    assert set(COMMITTED) == {
        "webrtc-quality-overview",
        "webrtc-quality-room",
        "webrtc-quality-peer",
        "webrtc-quality-exporter",
    }


@pytest.mark.parametrize("uid", COMMITTED)
def test_no_rule_is_broken(uid: str) -> None:
    """Each board keeps the rules of dashboard-linter and ours, without an exemption."""
    assert findings(COMMITTED[uid], COMMITTED) == []


def test_exemption_hides_its_finding() -> None:
    """A finding with a reason to stay is left out; the others are not."""
    board = COMMITTED["webrtc-quality-room"] | {"editable": True, "uid": "x y"}
    exemption = Exemption("settings: editable", "for this test")
    found = findings(board, COMMITTED, {"x y": (exemption,)})
    assert found == ["settings: uid 'x y': expected 1 to 40 letters, digits, _ or -"]


def test_exemption_that_is_not_needed_is_a_finding() -> None:
    """A list of exemptions does not outlive what it was for."""
    uid = "webrtc-quality-room"
    found = findings(COMMITTED[uid], COMMITTED, {uid: (Exemption("grid: x", "for this test"),)})
    assert found == ["exemption: grid: x: no finding needs it any more"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize("uid", COMMITTED)
def test_oldest_prometheus_takes_every_query(uid: str, tmp_path: Path) -> None:
    """What the parser of the rules knows, an installed Prometheus may not: promtool reads every query too."""
    file = tmp_path / "rules.yml"
    file.write_text(as_rules(COMMITTED[uid]), encoding="utf-8")
    check = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stdout + check.stderr


#: Spec'd limits: fair and poor, in the order in which the colours begin.
LIMITS: Final = {
    "Loss sent": [0.01, 0.05],
    "Loss recv.": [0.01, 0.05],
    "Jitter": [0.02, 0.03],
    "RTT": [0.25, 0.4],
    "MOS": [3.1, 3.6],
    "MOS est.": [3.1, 3.6],
    "Concealed": [0.03, 0.07],
    "Setup": [1.5, 5],
    "Poor time": [0.2],
}


@pytest.mark.parametrize(("column", "limits"), LIMITS.items())
def test_colours_begin_at_the_limits_of_the_verdicts(column: str, limits: list[float]) -> None:
    """The peer matrix colours exactly what makes a verdict fair or poor."""
    steps = _thresholds("webrtc-quality-room", "Peers, worst first", column)
    assert [step["value"] for step in steps] == [None, *limits]


def test_low_is_bad_for_mos_and_high_is_bad_for_loss() -> None:
    """The same colours stand for the same verdicts, whichever way a measure is bad."""
    colours = {
        column: [step["color"] for step in _thresholds("webrtc-quality-room", "Peers, worst first", column)]
        for column in ("Loss sent", "MOS")
    }
    quiet, fair, poor = colours["Loss sent"]
    assert quiet == "transparent"
    assert colours["MOS"] == [poor, fair, quiet]


def test_screen_share_has_limits_of_its_own() -> None:
    """Five frames a second are few for a camera and enough for a slide."""
    uid = "webrtc-quality-peer"
    camera = _thresholds(uid, "Received video, with freezes", "Frame rate")
    screen = _thresholds(uid, "Sent screen share", "Frame rate")
    assert [step["value"] for step in camera] == [None, 7, 15]
    assert [step["value"] for step in screen] == [None, 2, 5]


#: Families that no board shows, and why.
NOT_SHOWN: Final = {
    "webrtc_peer_session_media_score": "the vendor names no limits; the Room and Peer boards show each score",
    "webrtc_peer_session_duration_seconds": "how long people stayed says nothing about quality",
    "webrtc_sample_packet_loss_ratio": "one vendor's windows weigh by their number; the streams' means are comparable",
    "webrtc_sample_jitter_seconds": "as above",
    "webrtc_sample_round_trip_time_seconds": "as above",
    "webrtc_sample_throughput_bytes_per_second": "as above",
    "webrtc_sample_frames_per_second": "as above",
    "webrtc_freezes_total": "for alerts and own boards: 100ms alone counts them; each peer's are on its boards",
    "webrtc_concealed_samples_total": "as above",
}


def test_every_family_is_on_a_board_or_has_a_reason_not_to_be() -> None:
    """What the exporter exposes can be seen without writing a query, unless that would not help anybody."""
    shown = {
        family_of(selection.selector.name)[0].name
        for board in COMMITTED.values()
        for _, tree in parsed(board)
        for selection in selections(tree)
        if selection.selector.name and selection.selector.name not in RECORDED
    }
    assert {family.name for family in FAMILIES} - shown == set(NOT_SHOWN)


@pytest.mark.parametrize("uid", COMMITTED)
def test_what_was_not_measured_has_no_colour(uid: str) -> None:
    """A missing number is a dash, not a red cell."""
    tables = [panel for panel in charts(COMMITTED[uid]) if panel["type"] == "table"]
    coloured = [
        {entry["id"]: entry["value"] for entry in override["properties"]}
        for panel in tables
        for override in panel["fieldConfig"]["overrides"]
        if any(entry["id"] == "thresholds" for entry in override["properties"])
    ]
    assert coloured
    for properties in coloured:
        missing = [mapping["options"] for mapping in properties["mappings"] if mapping["type"] == "special"]
        assert {"match": "null+nan", "result": {"text": "-", "color": "transparent", "index": 0}} in missing


def test_verdicts_are_words_in_the_matrix() -> None:
    """A verdict is read, not guessed from a colour, and the worst rows come first."""
    panel = _panel("webrtc-quality-room", "Peers, worst first")
    properties = _properties(panel, "Verdict")
    words = {value: result["text"] for value, result in properties["mappings"][0]["options"].items()}
    assert words == {"3": "poor", "2": "fair", "1": "good", "0": "unclassified"}
    assert panel["options"]["sortBy"][0] == {"displayName": "Verdict", "desc": True}


@pytest.mark.parametrize("name", ["webrtc_peer_packet_loss_ratio", "webrtc_sessions_total"])
def test_metric_of_the_catalogue_is_taken(name: str) -> None:
    """Gauges and counters go by the names of their families."""
    assert metric(name) == name


def test_histogram_is_asked_for_by_its_series() -> None:
    """A histogram has buckets, a sum and a count, and no series of its own name."""
    assert metric("webrtc_peer_session_mos_bucket") == "webrtc_peer_session_mos_bucket"


@pytest.mark.parametrize(
    "name",
    ["webrtc_peer_packet_loss", "webrtc_peer_session_mos", "webrtc_sessions_total_bucket", "webrtc_room_peers_sum"],
)
def test_unknown_metric_is_refused(name: str) -> None:
    """A board cannot be built with a metric that nothing exposes."""
    with pytest.raises(UnknownMetricError, match=f"^{name}: expected a metric of the catalogue$"):
        metric(name)


@pytest.mark.parametrize(("index", "expected"), [(0, "A"), (25, "Z"), (26, "AA"), (27, "AB"), (52, "BA")])
def test_references_go_on_after_z(index: int, expected: str) -> None:
    """A wide table has more queries than the alphabet has letters."""
    assert reference(index) == expected


def _panel(uid: str, title: str) -> Json:
    return next(panel for panel in panels(COMMITTED[uid]) if panel["title"] == title)


def _properties(panel: Json, column: str) -> Json:
    override = next(o for o in panel["fieldConfig"]["overrides"] if o["matcher"]["options"] == column)
    return {entry["id"]: entry["value"] for entry in override["properties"]}


def _thresholds(uid: str, title: str, column: str) -> list[Json]:
    steps: list[Json] = _properties(_panel(uid, title), column)["thresholds"]["steps"]
    return steps
