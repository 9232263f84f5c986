"""The page for a person."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.face import SessionLine, SourceState
from exporter.web.landing import CONTENT_SECURITY_POLICY, Landing, landing_page

#: 2026-11-21 22:26:40 UTC.
NOW = 1_795_300_000.0

_VOID = {"meta", "link"}


class _Page(HTMLParser):
    """The elements of a page, and the text of each `<bdi>` and each table cell."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.isolated: list[str] = []
        self.cells: list[tuple[str, str]] = []
        self.targets: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in _VOID:
            self.open.append(tag)
        given = dict(attrs)
        if tag == "bdi":
            self.isolated.append("")
        if tag == "td":
            self.cells.append((given["data-label"] or "", ""))
        if tag == "a":
            self.targets.append(given["href"] or "")
        assert not [name for name in given if name.startswith("on") or name == "style"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "bdi" in self.open:
            self.isolated[-1] += data
        if "td" in self.open:
            label, text = self.cells[-1]
            self.cells[-1] = (label, text + data)


def page_of(
    *,
    sources: tuple[SourceState, ...] = (),
    sessions: tuple[SessionLine, ...] = (),
    not_ready: str = "",
    documentation_url: str = "",
) -> _Page:
    """Renders and reads a page."""
    landing = Landing(
        version="1.2.3",
        now=NOW,
        telemetry_path="/metrics",
        not_ready=not_ready,
        sources=sources,
        sessions=sessions,
        documentation_url=documentation_url,
    )
    return _Page(landing_page(landing))


def session(
    *,
    room_name: str = "Standup",
    room_id: str = "r1",
    start: float | None = NOW - 3700,
    end: float | None = NOW - 100,
    verdict: str = "good",
    reason: str = "",
) -> SessionLine:
    """A session."""
    return SessionLine(
        source="meetings",
        room_id=room_id,
        room_name=room_name,
        session_id="s1",
        start=start,
        end=end,
        peers=3,
        verdict=verdict,
        reason=reason,
    )


def cells(page: _Page) -> dict[str, str]:
    """The cells of the page's only row, by column."""
    return dict(page.cells)


def test_a_source_that_works() -> None:
    """Its state is a word, its moments relative and absolute."""
    state = SourceState(name="meetings", type="100ms", up=True, last_success=NOW - 12, last_attempt=NOW - 12, backlog=3)
    assert cells(page_of(sources=(state,))) == {
        "Source": "meetings 100ms",
        "State": "● up",
        "Last success": "12 s ago 2026-11-21 22:26:28",
        "Last attempt": "12 s ago 2026-11-21 22:26:28",
        "Backlog": "3",
        "Problem": "\u2013",
    }


def test_a_source_that_fails() -> None:
    """What went wrong is said."""
    state = SourceState(name="watch", type="watchrtc", up=False, last_attempt=NOW, problem="403 <Forbidden>")
    found = cells(page_of(sources=(state,)))
    assert (found["State"], found["Problem"], found["Last success"]) == ("■ down", "403 <Forbidden>", "never")


def test_a_source_before_its_first_poll() -> None:
    """It is neither up nor down."""
    assert cells(page_of(sources=(SourceState(name="watch", type="watchrtc"),)))["State"] == "○ starting"


@pytest.mark.parametrize(
    ("verdict", "reason", "expected"),
    [
        ("good", "", "● good "),
        ("fair", "round_trip_time", "▲ fair round trip time"),
        ("poor", "packet_loss", "■ poor packet loss"),
        ("unclassified", "", "○ unclassified "),
    ],
)
def test_a_verdict_is_a_shape_and_a_word(verdict: str, reason: str, expected: str) -> None:
    """Nobody has to tell colours apart."""
    found = cells(page_of(sessions=(session(verdict=verdict, reason=reason),)))
    assert found["Verdict"] == expected
    assert found["Room"] == "Standup"
    assert found["Ended"] == "1 min ago 2026-11-21 22:25:00"
    assert (found["Lasted"], found["Peers"], found["Source"]) == ("1 h 00 min", "3", "meetings")


def test_a_room_without_a_name_shows_its_id() -> None:
    """There is always something to find it by."""
    assert cells(page_of(sessions=(session(room_name="", room_id="r9"),)))["Room"] == "r9"


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (NOW, "0 s ago 2026-11-21 22:26:40"),
        (NOW - 59.5, "59 s ago 2026-11-21 22:25:40"),
        (NOW - 60, "1 min ago 2026-11-21 22:25:40"),
        (NOW - 3599, "59 min ago 2026-11-21 21:26:41"),
        (NOW - 7500, "2 h 05 min ago 2026-11-21 20:21:40"),
        (NOW - 200_000, "2 d 7 h ago 2026-11-19 14:53:20"),
        (NOW + 90, "in 1 min 2026-11-21 22:28:10"),
        (None, "unknown"),
        (math.nan, "unknown"),
        (math.inf, "unknown"),
        (-math.inf, "unknown"),
        (1e17, "unknown"),
    ],
)
def test_moments(end: float | None, expected: str) -> None:
    """A moment is relative and absolute; a vendor's clock may be ahead, or the moment no moment."""
    assert cells(page_of(sessions=(session(end=end),)))["Ended"] == expected


@pytest.mark.parametrize(("start", "end"), [(None, NOW), (NOW, None), (NOW, NOW - 1), (math.nan, NOW), (0, math.inf)])
def test_a_length_that_is_not_known(start: float | None, end: float | None) -> None:
    """A length that makes no sense is left out."""
    assert cells(page_of(sessions=(session(start=start, end=end),)))["Lasted"] == "\u2013"


def test_readiness_is_at_the_top() -> None:
    """The first thing to see is whether all is well, and else why not."""
    page = page_of(not_ready="the first poll of meetings has not ended")
    assert "the first poll of meetings has not ended" in page.isolated


def test_links_stay_on_this_host() -> None:
    """Each page is linked, relative to this one, so that a proxy may put a prefix before them."""
    assert page_of().targets == ["./metrics", "./config", "./-/ready", "./-/healthy"]
    assert page_of(documentation_url="https://docs.example/?a&b").targets[-1] == "https://docs.example/?a&b"


def test_long_texts_are_cut() -> None:
    """A name of a million letters does not make a page of a million letters."""
    page = page_of(
        sources=(SourceState(name="n", type="100ms", problem="p" * 1_000_000),),
        sessions=(session(room_name="r" * 1_000_000),),
    )
    assert "r" * 159 + "…" in page.isolated
    assert "p" * 499 + "…" in page.isolated


_TEXT = st.text() | st.sampled_from(
    ["</bdi><script>alert(1)</script>", "\"'><img src=x onerror=y>", "\u202eltr", "&lt;"]
)


@given(_TEXT, _TEXT, _TEXT)
def test_no_text_of_strangers_becomes_markup(name: str, problem: str, reason: str) -> None:
    """Whatever names and problems hold, the page has the same elements, and shows the text as it is."""
    plain = page_of(
        sources=(SourceState(name="a", type="100ms", problem="a"),), sessions=(session(room_name="a", reason="a"),)
    )
    page = page_of(
        sources=(SourceState(name=name, type="100ms", problem=problem or "a"),),
        sessions=(session(room_name=name or "a", reason=reason or "a"),),
    )
    assert page.tags == plain.tags
    assert page.open == []
    assert not {"script", "img", "iframe", "object", "form"} & set(page.tags)
    # A parser reads a carriage return or a NUL as something else; everything else must come back.
    if len(name) < 160 and not set(name) & set("\r\0"):
        assert name in page.isolated


def test_the_style_is_the_one_that_the_policy_allows() -> None:
    """The hash in the policy is that of the style sheet as the browser gets it, and nothing else may run or load."""
    landing = Landing(version="1", now=NOW, telemetry_path="/metrics", not_ready="", sources=(), sessions=())
    page = landing_page(landing)
    (style,) = re.findall("<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ) == CONTENT_SECURITY_POLICY
    assert not re.search("https?:|//|@import|url\\(", page)
