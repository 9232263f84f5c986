"""The boards in a browser, drawn with Grafana's own packages from what the real exporter said: what people see."""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

from dashboards.links import PEER_UID, ROOM_UID
from dashboards.looks import VERDICT_COLOURS
from tests.dashboards.boards import committed
from tests.dashboards.drawing import Drawn, Page, draw, require_drawing
from tests.dashboards.grafana import charts, variables
from tests.dashboards.replay import replayed
from tests.oracle.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.dashboards.replay import Replay

pytestmark = pytest.mark.live

BOARDS: Final = committed()
#: Kept for people to look at.
PICTURES: Final = Path(__file__).parent.parent / "build" / "pictures"
#: What is drawn, by name and theme. The room and the peer of watchRTC have what 100ms has not, and the other way round.
PAGES: Final = (
    *((name, theme) for name in ("overview", "room", "peer", "exporter") for theme in ("dark", "light")),
    ("room-watchrtc", "dark"),
    ("peer-watchrtc", "dark"),
)
NAMES: Final = [f"{name}-{theme}" for name, theme in PAGES]
#: Panels that have nothing to show, by what is drawn, and why.
EMPTY: Final = {
    "overview": {},
    "room": {},
    "peer": {
        "Score and rating": "100ms gives none",
        "Call setup": "100ms gives none",
        "Sent screen share": "nobody shared a screen in that call",
        "Received screen share": "nobody shared a screen in that call",
    },
    "exporter": {"Failed polls, by reason": "no poll failed"},
    "room-watchrtc": {
        "Frame rate sent, over time": "watchRTC gives none",
        "Frame rate received, over time": "watchRTC gives none",
    },
    "peer-watchrtc": {
        "Poor time": "watchRTC gives no windows",
        "Freezes and made-up sound, over time": "watchRTC gives neither",
        "Sent screen share": "watchRTC does not tell a screen from a camera",
        "Received screen share": "watchRTC does not tell a screen from a camera",
    },
}
#: Columns and series that nothing is there for, whatever call is looked at.
DEAD: Final = {
    ("exporter", "Documents"): "every document of the simulated vendors can be read",
    ("peer", "Track"): "the simulated audio has no track type",
}
#: What the fields are called whose values are verdicts.
VERDICTS: Final = {"Verdict", "Verdict over time", "Verdict of each peer over time"}


class Link(NamedTuple):
    """A link as it stands on a drawn board."""

    page: str
    panel: str
    href: str
    #: The text of the cell.
    value: Any


class Calls(NamedTuple):
    """The drawn boards, by name and theme, and what they were drawn from."""

    replay: Replay
    prometheus: Prometheus
    drawn: Mapping[str, Drawn]

    def panels(self, name: str) -> list[dict[str, Any]]:
        """What the panels of a drawn board had."""
        return self.drawn[name].panels

    def links(self) -> Iterator[Link]:
        """Every link on every board."""
        for page, drawn in self.drawn.items():
            for panel in drawn.panels:
                for field in panel["fields"]:
                    yield from (Link(page, panel["title"], link["href"], link["value"]) for link in field["links"])


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calls]:
    """Two hours of calls, and every board of them: the worst stand-up of 100ms, the worst peer of watchRTC."""
    require_drawing()
    with (
        replayed(tmp_path_factory.mktemp("replay")) as replay,
        closing(Prometheus(replay.url)) as prometheus,
    ):
        pages = list(_pages(replay, prometheus))
        drawn = draw(replay.url, pages, PICTURES)
        yield Calls(
            replay, prometheus, {f"{page.name}-{page.theme}": each for page, each in zip(pages, drawn, strict=True)}
        )


def _pages(replay: Replay, prometheus: Prometheus) -> Iterator[Page]:
    standup = 'on (session_id) webrtc_room_info{room_name="weekly-standup"}'
    hundredms = _worst(prometheus, replay.end, f"webrtc_peer_poor_time_ratio and {standup}")
    # One of whom everything is known, so that every column has something to say; only relayed ones have a connection.
    labels = ("country", "city", "organization", "audio_device", "video_device", "connection_type", "sdk_version")
    known = ", ".join(f'{label}!=""' for label in labels)
    stay = "source, room_id, session_id, peer_id"
    loss = f'max by ({stay}) (webrtc_peer_packet_loss_ratio{{source="watch"}})'
    watchrtc = _worst(prometheus, replay.end, f"{loss} and on ({stay}) webrtc_peer_info{{{known}}}")
    for name, theme in PAGES:
        board, _, vendor = name.partition("-")
        peer = watchrtc if vendor else hundredms
        choices = {"source": "source", "room": "room_id", "session": "session_id"}
        if board == "peer":
            choices["peer"] = "peer_id"
        if board in {"room", "peer"}:
            start, end = _own_time(prometheus, replay.end, peer["session_id"])
            chosen = {variable: peer[label] for variable, label in choices.items()}
            yield Page(board=board, name=name, theme=theme, start=start, end=end, choices=chosen)
        else:
            yield Page(board=board, name=name, theme=theme, start=replay.start, end=replay.end)


def _worst(prometheus: Prometheus, at: float, expression: str) -> dict[str, str]:
    ((labels, _),) = prometheus.query(f"topk(1, {expression})", at)
    return labels


def _own_time(prometheus: Prometheus, at: float, session: str, of: str = "room", more: str = "") -> tuple[float, float]:
    """When a call, or a stay in it, began and ended, in Unix seconds."""
    start, end = (
        prometheus.query(f'webrtc_{of}_{which}_timestamp_seconds{{session_id="{session}"{more}}}', at)[0][1]
        for which in ("start", "end")
    )
    return start, end


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_is_drawn_without_an_error(calls: Calls, name: str) -> None:
    """Neither the browser nor Prometheus nor a panel has anything to complain about, in both themes."""
    assert calls.drawn[name].errors == []
    states = {
        panel["title"]: (panel["state"], panel["errors"]) for panel in calls.panels(name) if panel["type"] != "text"
    }
    expected = {panel["title"] for panel in charts(BOARDS[f"webrtc-quality-{name.partition('-')[0]}"])}
    assert states == dict.fromkeys(expected, ("Done", []))


@pytest.mark.parametrize("name", NAMES)
def test_only_what_cannot_have_data_is_empty(calls: Calls, name: str) -> None:
    """Each panel that is empty has a reason, and each reason a panel that is empty."""
    empty = {panel["title"] for panel in calls.panels(name) if panel["type"] != "text" and panel["rows"] == 0}
    assert empty == set(EMPTY[name.rpartition("-")[0]])


def test_no_override_is_dead(calls: Calls) -> None:
    """What is set for a column or a series meets it on at least one of the drawn boards."""
    dead: dict[tuple[str, str], list[set[str]]] = defaultdict(list)
    for name, drawn in calls.drawn.items():
        for panel in drawn.panels:
            if panel["rows"]:
                dead[name.partition("-")[0], panel["title"]].append(set(panel["deadOverrides"]))
    found = {(board, override) for (board, _), each in dead.items() for override in set.intersection(*each)}
    assert found == set(DEAD)


def test_every_link_resolves(calls: Calls) -> None:
    """Each leads to one of the boards with choices that it has, or out to a vendor's page, and nothing is left open."""
    links = list(calls.links())
    assert {link.panel for link in links} >= {"Worst calls", "Worst peers", "Sessions", "Peers, worst first"}
    assert {link.panel for link in links} >= {
        "Verdict of each peer over time",
        "Loss sent, over time",
        "Who, where and when",
    }
    assert [link for link in links if not _resolves(link.href)] == []


def _resolves(href: str) -> bool:
    address, chosen = urlsplit(href), parse_qs(urlsplit(href).query, keep_blank_values=True)
    # All values of a variable are `$__all` in Grafana's own addresses too.
    if any(text in href.replace("$__all", "") for text in ("$", "undefined", "null", "NaN")):
        return False
    if address.scheme in {"http", "https"}:
        return bool(address.netloc)
    board = BOARDS.get(address.path.removeprefix("/d/"))
    choices = {name.removeprefix("var-"): values for name, values in chosen.items() if name.startswith("var-")}
    times = [_moment(time) for time in (*chosen.get("from", ()), *chosen.get("to", ()))]
    return (
        board is not None
        and choices.keys() <= variables(board).keys()
        and all(all(values) for values in choices.values())
        and len(times) == 2
        and times[0] < times[1]
    )


def _moment(time: str) -> datetime:
    """A time of an address: milliseconds, or ISO 8601."""
    return datetime.fromtimestamp(int(time) / 1000, UTC) if time.isdigit() else datetime.fromisoformat(time)


def test_the_vendors_page_is_linked(calls: Calls) -> None:
    """Where watchRTC knows the room's address, the session's row leads there."""
    (address,) = {
        link.href for link in calls.links() if link.page == "room-watchrtc-dark" and link.href.startswith("http")
    }
    assert address.startswith("https://")


@pytest.mark.parametrize(("panel", "uid", "of"), [("Worst calls", ROOM_UID, "room"), ("Worst peers", PEER_UID, "peer")])
def test_the_worst_are_opened_in_their_own_time(calls: Calls, panel: str, uid: str, of: str) -> None:
    """From and to of each row's link are when that call or stay began and ended, and the choices are its own."""
    links = [link for link in calls.links() if link.page == "overview-dark" and link.panel == panel]
    assert links
    for link in links:
        chosen = {name: value for name, (value,) in parse_qs(urlsplit(link.href).query).items()}
        assert urlsplit(link.href).path == f"/d/{uid}"
        assert chosen[f"var-{'session' if of == 'room' else 'peer'}"] == link.value
        more = f', peer_id="{chosen["var-peer"]}"' if of == "peer" else ""
        expected = _own_time(calls.prometheus, calls.replay.end, chosen["var-session"], of, more)
        assert [int(chosen["from"]), int(chosen["to"])] == [round(1000 * moment) for moment in expected]


@pytest.mark.parametrize("name", NAMES)
def test_verdicts_have_their_words_and_colours(calls: Calls, name: str) -> None:
    """Never the number behind it; the same colour for the same word in both themes."""
    shown = [
        (value["text"], value["colour"])
        for panel in calls.panels(name)
        for field in panel["fields"]
        if field["name"] == "Verdict" or panel["title"] in VERDICTS
        for value in field["values"]
    ]
    assert bool(shown) == (not name.startswith(("overview", "exporter")))
    assert set(shown) <= set(VERDICT_COLOURS.items())


@pytest.mark.parametrize("name", NAMES)
def test_no_mapped_value_shows_its_number(calls: Calls, name: str) -> None:
    """A state without a word would be a number that nobody can read."""
    mapped = [
        (panel["title"], field["name"], value["value"])
        for panel in calls.panels(name)
        for field in panel["fields"]
        if panel["type"] == "state-timeline"
        for value in field["values"]
        if value["text"] == str(value["value"])
    ]
    assert mapped == []


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_kept(calls: Calls, name: str) -> None:
    """Each board is there to be looked at."""
    assert calls.drawn[name].panels
    assert (PICTURES / f"{name}.png").read_bytes().startswith(b"\x89PNG")
