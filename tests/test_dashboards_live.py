"""The dashboards on a real Prometheus: every query answers, for all, one and two choices, and says what is true."""

from __future__ import annotations

import shutil
from copy import deepcopy
from typing import TYPE_CHECKING, Final

import pytest

from tests.dashboards import sample
from tests.dashboards.boards import committed
from tests.dashboards.grafana import built_in, charts, insert, panels, query_result, variable_query, variables
from tests.dashboards.live import NOTHING_COUNTED, Absence, Prometheus, absences, answer, live_findings, resolved
from tests.dashboards.prometheus import prometheus_with
from tests.dashboards.sample_exporter import FAILED_SINCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.dashboards.grafana import Json

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed"),
]

OVERVIEW: Final = committed()["webrtc-quality-overview"]
ROOM: Final = committed()["webrtc-quality-room"]
PEER: Final = committed()["webrtc-quality-peer"]
EXPORTER: Final = committed()["webrtc-quality-exporter"]
END: Final = float(sample.END - 30)
#: From before the first call to after the last report.
SPAN: Final = 9_000.0
LANES: Final = "Verdict of each peer over time"
ONE_ROOM: Final = {"room": [sample.ROOM], "session": [sample.SESSION]}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that scraped the sample meetings."""
    with prometheus_with(sample.sample_scrapes(), tmp_path_factory.mktemp("prometheus")) as address:
        yield address


@pytest.mark.parametrize("board", [OVERVIEW, ROOM])
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
def test_every_panel_about_rooms_answers(prometheus: str, board: Json, choose: dict[str, list[str]]) -> None:
    """All, one and two rooms, of both vendors, whatever their ids are made of."""
    assert live_findings(prometheus, board, END, choose, span=SPAN) == []


@pytest.mark.parametrize("board", [OVERVIEW, ROOM, EXPORTER])
def test_no_panel_is_empty_for_all_of_them(prometheus: str, board: Json) -> None:
    """What one vendor does not give the other does: nothing is excused where everything is chosen."""
    assert live_findings(prometheus, board, END, {}, span=SPAN, may_be_empty=()) == []


@pytest.mark.parametrize(
    "choose", [{}, {"source": ["watch"]}, {"source": ["meetings"]}, {"source": ["meetings", "watch"]}]
)
def test_every_panel_of_the_exporter_board_answers(prometheus: str, choose: dict[str, list[str]]) -> None:
    """A source that asks, one that reads objects, and both."""
    assert live_findings(prometheus, EXPORTER, END, choose, span=SPAN) == []


@pytest.mark.parametrize(
    ("choose", "start", "end"),
    [(ONE_ROOM, 0, 1_800), ({"room": [sample.WATCH_ROOM], "session": [sample.WATCH_SESSION]}, -900, -300)],
)
def test_a_call_is_whole_in_its_own_time(prometheus: str, choose: dict[str, list[str]], start: int, end: int) -> None:
    """The range of a link is the call's own, and ends before its report came: timeline and means are both there."""
    assert live_findings(prometheus, ROOM, float(sample.START + end), choose, span=float(end - start)) == []


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


@pytest.mark.parametrize("board", [OVERVIEW, ROOM, PEER])
def test_narrow_range_shows_what_is_in_view(prometheus: str, board: Json) -> None:
    """In a range in which nothing was counted, the calls in view are still there."""
    may_be_empty = (*absences(board), *NOTHING_COUNTED, Absence("webrtc_timeline_", "the calls were earlier"))
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


def test_every_session_has_its_vendors_page(prometheus: str) -> None:
    """WatchRTC gives the address itself; of 100ms it is that of the session in the vendor's dashboard."""
    panel = _panel(ROOM, "Sessions")
    (target,) = (target for target in panel["targets"] if "webrtc_room_info" in target["expr"])
    values = resolved(prometheus, ROOM, END, {}, span=SPAN) | built_in(END - SPAN, END, 15)
    rows = Prometheus(prometheus).query(insert(target["expr"], values), END)
    assert {row["metric"]["session_id"]: row["metric"]["url"] for row in rows} == {
        sample.SESSION: f"https://dashboard.100ms.live/session-details/{sample.SESSION}",
        sample.OLD_SESSION: f"https://dashboard.100ms.live/session-details/{sample.OLD_SESSION}",
        sample.WATCH_SESSION: "https://calls.example.org/support",
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


def test_rate_is_told_against_the_target_without_the_rules(prometheus: str) -> None:
    """One of six classified peers was poor; where no rule records a target, it is 5 %."""
    values = resolved(prometheus, OVERVIEW, END, {}, span=SPAN) | built_in(END - SPAN, END, 15)
    rate, of_target = (
        float(Prometheus(prometheus).query(insert(target["expr"], values), END)[0]["value"][1])
        for target in _panel(OVERVIEW, "Poor-call rate")["targets"]
    )
    # increase() stretches each count to the edges of the range, by a little.
    assert rate == pytest.approx(1 / 6, rel=0.02)
    assert of_target == pytest.approx(rate / 0.05)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        # One of four classified peers, of the one call that had a poor peer.
        ("Poor peers", 0.25),
        ("Poor", 1),
        ("Peers", 5),
        ("Started", sample.START * 1_000),
        ("Ended", (sample.START + 1_800) * 1_000),
    ],
)
def test_worst_call_is_told_with_its_own_time(prometheus: str, column: str, expected: float) -> None:
    """The call with the bad peer is the only one in the list, and its times are milliseconds, for the link."""
    (row,) = _answer(prometheus, OVERVIEW, "Worst calls", {}, column=column)
    assert (row["metric"]["session_id"], float(row["value"][1])) == (sample.SESSION, expected)


@pytest.mark.parametrize(
    ("column", "expected"),
    [("MOS est.", 2.4), ("Loss", 0.12), ("RTT", 0.28)],
)
def test_worst_peer_is_told_with_its_measures(prometheus: str, column: str, expected: float) -> None:
    """The bad peer of the second meeting, and not the same person's good stay in the first."""
    (row,) = _answer(prometheus, OVERVIEW, "Worst peers", {}, column=column)
    assert (row["metric"]["session_id"], row["metric"]["peer_id"]) == (sample.SESSION, sample.BAD_PEER)
    assert float(row["value"][1]) == pytest.approx(expected)


def test_times_for_links_are_whole_milliseconds(prometheus: str) -> None:
    """A person joined at a fraction of a millisecond; Grafana would read a time with one as something else."""
    (row,) = _answer(prometheus, OVERVIEW, "Worst peers", {}, column="Started")
    assert row["value"][1] == str((sample.START + 200) * 1_000)


def test_breakdown_counts_each_peer_once(prometheus: str) -> None:
    """Both peers of the call of two were in Germany, one of them behind TURN."""
    (country,) = _answer(prometheus, OVERVIEW, "By country", {}, column="Peers")
    assert (country["metric"], float(country["value"][1])) == ({"country": "Germany"}, 2)
    rows = _answer(prometheus, OVERVIEW, "By connection", {}, column="RTT p95")
    assert {row["metric"]["connection_type"]: float(row["value"][1]) for row in rows} == {"HOST": 0.07, "TURN": 0.07}


@pytest.mark.parametrize(("seconds", "expected"), [(700, 1.0), (1_000, 3.0), (1_500, 1.0)])
def test_lane_is_red_when_it_happened(prometheus: str, seconds: int, expected: float) -> None:
    """The bad peer was poor for ten minutes of its stay, an hour before its report came."""
    lanes = _at_the_time(prometheus, LANES, seconds)
    assert lanes[sample.BAD_PEER] == expected
    assert lanes["1aa0-ana"] == 1.0


@pytest.mark.parametrize("choose", [ONE_ROOM, {}])
def test_graphs_have_the_worst_peers(prometheus: str, choose: dict[str, list[str]]) -> None:
    """Twenty of them; were it one, it would be who was poor for a third of the meeting, not who was fair all along."""
    values = resolved(prometheus, ROOM, END, choose, span=SPAN) | built_in(END - SPAN, END, 15)
    asked = query_result(insert(variable_query(variables(ROOM)["worst"]), values)) or ""
    assert asked.count("topk(20, ") == 1
    (worst,) = Prometheus(prometheus).query(asked.replace("topk(20, ", "topk(1, "), END)
    assert worst["metric"] == {"peer_id": sample.BAD_PEER}


@pytest.mark.parametrize(("seconds", "poor"), [(700, 0.0), (1_000, 1.0)])
def test_peers_that_are_poor_at_once_are_counted(prometheus: str, seconds: int, poor: float) -> None:
    """Four of five had windows; one of them was poor for a while."""
    counts = [
        list(_at_the_time(prometheus, "Peers poor at the same moment", seconds, part).values()) for part in range(4)
    ]
    assert counts == [[poor], [0.0], [4.0 - poor], [4.0]]


@pytest.mark.parametrize(("step", "expected"), [(10, 0.004), (1_200, 0.14)])
def test_wide_steps_keep_the_worst_moment(prometheus: str, step: int, expected: float) -> None:
    """Where a step of the graph spans many windows, the worst of them is shown, not the last."""
    loss = _at_the_time(prometheus, "Loss sent, over time", 1_500, step=step)
    assert loss[sample.BAD_PEER] == expected


def test_source_that_failed_for_a_while_is_seen(prometheus: str) -> None:
    """The lanes of the sources are red where polls failed, and the tile counts the failures."""
    (failed,) = _answer(prometheus, EXPORTER, "Failed polls", {})
    assert float(failed["value"][1]) == pytest.approx(10, rel=0.01)
    values = resolved(prometheus, EXPORTER, END, {}, span=SPAN) | built_in(END - SPAN, END, 15)
    expression = insert(_panel(EXPORTER, "When the sources worked")["targets"][0]["expr"], values)
    states = {
        row["metric"]["source"]: float(row["value"][1])
        for row in Prometheus(prometheus).query(expression, sample.START + FAILED_SINCE + 300)
    }
    assert states == {"meetings": 0.0, "watch": 1.0}


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
        ("MOS", "vector(NaN)", ""),
        ("The call", "vector(1)", "{{peer_id}}"),
        ("Why peers were fair or poor", "scalar(vector(1))", ""),
    ):
        target = next(panel for panel in panels(board) if panel["title"] == title)["targets"][0]
        target["expr"], target["legendFormat"] = expression, legend
    found = live_findings(prometheus, board, END, {}, span=SPAN)
    assert [text.split(": ")[0] for text in found] == ["[Verdict]/A", "[Poor peers]/A", "[MOS]/A", "[The call]/A"]
    assert "parse error" in found[0]
    assert found[1:] == [
        "[Poor peers]/A: no answer: webrtc_nothing",
        "[MOS]/A: only NaN: vector(NaN)",
        "[The call]/A: the legend's {{peer_id}} is not in the answer: vector(1)",
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


def _panel(board: Json, title: str) -> Json:
    return next(panel for panel in charts(board) if panel["title"] == title)


def _at_the_time(prometheus: str, title: str, seconds: int, part: int = 0, *, step: int = 10) -> dict[str, float]:
    """What a graph of the Room board shows at a moment of the meeting, by peer, its range being the meeting."""
    start, end = float(sample.START), float(sample.START + 1_900)
    values = resolved(prometheus, ROOM, end, ONE_ROOM, span=end - start) | built_in(start, end, step)
    expression = insert(_panel(ROOM, title)["targets"][part]["expr"], values)
    # The set of peers is chosen at the end of the range, which is here an instant.
    expression = expression.replace("@ end()", f"@ {end}")
    rows = Prometheus(prometheus).query(expression, sample.START + seconds)
    return {row["metric"].get("peer_id", ""): float(row["value"][1]) for row in rows}


def _answer(prometheus: str, board: Json, title: str, choose: dict[str, list[str]], *, column: str = "") -> list[Json]:
    return answer(prometheus, board, title, END, choose, span=SPAN, column=column)
