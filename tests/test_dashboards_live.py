"""The dashboards on a real Prometheus: every query answers, for all, one and two choices, and says what is true."""

from __future__ import annotations

import shutil
from copy import deepcopy
from typing import TYPE_CHECKING, Final

import pytest

from tests.dashboards import sample
from tests.dashboards.boards import committed
from tests.dashboards.grafana import built_in, charts, insert, panels
from tests.dashboards.live import NOTHING_COUNTED, Prometheus, absences, live_findings, resolved
from tests.dashboards.prometheus import prometheus_with

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.dashboards.grafana import Json

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed"),
]

ROOM: Final = committed()["webrtc-quality-room"]
PEER: Final = committed()["webrtc-quality-peer"]
END: Final = float(sample.END - 30)
SPAN: Final = 7_100.0
ONE_ROOM: Final = {"room": [sample.ROOM], "session": [sample.SESSION]}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that scraped the sample meetings."""
    with prometheus_with(sample.sample_scrapes(), tmp_path_factory.mktemp("prometheus")) as address:
        yield address


@pytest.mark.parametrize(
    "choose",
    [
        {},
        {"source": ["watch"]},
        ONE_ROOM,
        {"room": [sample.WATCH_ROOM]},
        {"room": [sample.ROOM, sample.WATCH_ROOM], "session": [sample.SESSION, sample.WATCH_SESSION]},
    ],
)
def test_every_panel_of_the_room_board_answers(prometheus: str, choose: dict[str, list[str]]) -> None:
    """All, one and two rooms, of both vendors, whatever their ids are made of."""
    assert live_findings(prometheus, ROOM, END, choose, span=SPAN) == []


@pytest.mark.parametrize(
    "choose",
    [
        {},
        ONE_ROOM | {"peer": [sample.BAD_PEER]},
        {"room": [sample.WATCH_ROOM], "session": [sample.WATCH_SESSION], "peer": ["customer"]},
        ONE_ROOM | {"peer": ["5ee4-eve"]},
    ],
)
def test_every_panel_of_the_peer_board_answers(prometheus: str, choose: dict[str, list[str]]) -> None:
    """A peer of each vendor, and one that never connected."""
    assert live_findings(prometheus, PEER, END, choose, span=SPAN) == []


@pytest.mark.parametrize("board", [ROOM, PEER])
def test_narrow_range_shows_what_is_in_view(prometheus: str, board: Json) -> None:
    """In a range in which nothing was counted, the calls in view are still there."""
    may_be_empty = (*absences(board), *NOTHING_COUNTED)
    assert live_findings(prometheus, board, END, ONE_ROOM, span=600, may_be_empty=may_be_empty) == []


def test_verdict_names_the_worst_session_and_why(prometheus: str) -> None:
    """The large tile of the Room board says what was wrong, in words."""
    (worst,) = _answer(prometheus, ROOM, "Verdict", {})
    assert (worst["metric"]["reason"], float(worst["value"][1])) == ("packet loss", 3)


def test_good_and_unclassified_have_words_too(prometheus: str) -> None:
    """A good session is good for no reason, and a silent peer is not good."""
    (good,) = _answer(prometheus, ROOM, "Verdict", {"session": [sample.OLD_SESSION]})
    assert (good["metric"]["reason"], float(good["value"][1])) == ("nothing wrong", 1)
    (silent,) = _answer(prometheus, PEER, "Verdict", ONE_ROOM | {"peer": ["5ee4-eve"]})
    assert (silent["metric"]["reason"], float(silent["value"][1])) == ("too little data", 0)


def test_last_verdict_counts_and_no_other(prometheus: str) -> None:
    """A session that was poor at its first report and good at its last, and has left the view, is good."""
    rows = _answer(prometheus, ROOM, "Sessions", {}, column="Verdict")
    verdicts = {row["metric"]["session_id"]: (row["metric"]["verdict"], float(row["value"][1])) for row in rows}
    assert verdicts == {
        sample.SESSION: ("poor", 3),
        sample.OLD_SESSION: ("good", 1),
        sample.WATCH_SESSION: ("fair", 2),
    }


def test_matrix_has_one_row_for_each_stay(prometheus: str) -> None:
    """Every stay of every peer is there once, the one that never connected among them."""
    rows = _answer(prometheus, ROOM, "Peers, worst first", {}, column="Verdict")
    stays = sorted((row["metric"]["session_id"], row["metric"]["peer_id"]) for row in rows)
    assert stays == [
        (sample.WATCH_SESSION, "agent"),
        (sample.WATCH_SESSION, "customer"),
        (sample.OLD_SESSION, "1aa0-ana"),
        (sample.OLD_SESSION, sample.BAD_PEER),
        (sample.SESSION, "1aa0-ana"),
        (sample.SESSION, "2bb1-chi"),
        (sample.SESSION, sample.BAD_PEER),
        (sample.SESSION, "4dd3-dev"),
        (sample.SESSION, "5ee4-eve"),
    ]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("Loss sent", 0.12),
        ("Loss recv.", 0.003),
        ("RTT", 0.28),
        ("MOS est.", 2.4),
        ("Poor time", 0.62),
        ("Freezes", 6),
        ("Concealed", 0.011),
        # Three layers of 150, 60 and 15 kB/s, a screen of 90 and audio of 5: 320 kB/s.
        ("Sent", 2_560_000),
        # Two videos of 120 kB/s and audio of 4.5.
        ("Received", 1_956_000),
    ],
)
def test_matrix_has_the_values_of_the_bad_peer(prometheus: str, column: str, expected: float) -> None:
    """Worst stream for loss and delay, sums for rates and freezes, bits and not bytes."""
    rows = _answer(prometheus, ROOM, "Peers, worst first", ONE_ROOM, column=column)
    values = {row["metric"]["peer_id"]: float(row["value"][1]) for row in rows}
    assert values[sample.BAD_PEER] == pytest.approx(expected)


def test_poor_share_leaves_out_the_unclassified(prometheus: str) -> None:
    """One of four classified peers was poor; the fifth never connected."""
    (share,) = _answer(prometheus, ROOM, "Poor peers", ONE_ROOM)
    assert float(share["value"][1]) == 0.25


def test_worst_peer_leads_the_bars(prometheus: str) -> None:
    """The bad uplink is the first bar."""
    first, *_ = _answer(prometheus, ROOM, "Loss of what peers sent", ONE_ROOM)
    assert first["metric"]["peer_id"] == sample.BAD_PEER


def test_streams_have_short_names(prometheus: str) -> None:
    """A camera's layers go by their rid, a screen by its name, and nothing by an empty label."""
    bars = _answer(prometheus, PEER, "Loss by stream", ONE_ROOM | {"peer": [sample.BAD_PEER]})
    names = sorted(" ".join(bar["metric"]["stream"].split()) for bar in bars)
    assert names == ["recv audio", "send audio", "send video h", "send video l", "send video m", "send video screen"]


def test_broken_panels_are_told(prometheus: str) -> None:
    """The checker itself tells a refused query, an empty answer, NaN alone and a legend without its label."""
    board = deepcopy(ROOM)
    for title, expression, legend in (
        ("Verdict", "sum(", ""),
        ("Poor peers", "webrtc_nothing", ""),
        ("Peers", "vector(NaN)", ""),
        ("Duration", "vector(1)", "{{peer_id}}"),
        ("Started", "scalar(vector(1))", ""),
    ):
        target = next(panel for panel in panels(board) if panel["title"] == title)["targets"][0]
        target["expr"], target["legendFormat"] = expression, legend
    found = live_findings(prometheus, board, END, {}, span=SPAN)
    assert [text.split(": ")[0] for text in found] == ["[Verdict]/A", "[Poor peers]/A", "[Peers]/A", "[Duration]/A"]
    assert "parse error" in found[0]
    assert found[1:] == [
        "[Poor peers]/A: no answer: webrtc_nothing",
        "[Peers]/A: only NaN: vector(NaN)",
        "[Duration]/A: the legend's {{peer_id}} is not in the answer: vector(1)",
    ]


def test_wrong_choices_are_told(prometheus: str) -> None:
    """A choice that a variable does not offer, one that offers nothing, and one whose query is refused."""
    found = live_findings(prometheus, ROOM, END, {"room": ["nowhere"]}, span=SPAN)
    assert "variable room: does not offer 'nowhere'" in found
    assert "variable session: offers nothing" in found
    board = deepcopy(ROOM)
    board["templating"]["list"][1]["query"]["query"] = "label_values(sum(, job)"
    refused, *_ = live_findings(prometheus, board, END, {}, span=SPAN)
    assert refused.startswith("variable job: ")


def _answer(prometheus: str, board: Json, title: str, choose: dict[str, list[str]], *, column: str = "") -> list[Json]:
    """The answer of a panel's only query, or of the one that fills a column."""
    panel = next(panel for panel in charts(board) if panel["title"] == title)
    targets = panel["targets"]
    if column:
        renamed = panel["transformations"][-1]["options"]["renameByName"]
        targets = [target for target in targets if renamed.get(f"Value #{target['refId']}") == column]
    (target,) = targets
    values = resolved(prometheus, board, END, choose, span=SPAN) | built_in(END - SPAN, END, 15)
    return Prometheus(prometheus).query(insert(target["expr"], values), END)
