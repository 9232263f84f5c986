"""What sources say of what went wrong can be said without what strangers wrote, and still says something."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Session, SessionKey
from exporter.sources.base import RejectedDocument
from exporter.sources.hundredms.answers import RequestError
from exporter.sources.hundredms.document import MalformedError
from exporter.sources.hundredms.facts import PeerFacts
from exporter.sources.hundredms.parser import parse_peer_stats
from exporter.sources.hundredms.sessions import read_page, read_session
from exporter.sources.watchrtc.reader import read_document
from exporter.told import Discretion, Told
from tests.hundredms_support import Bench, FakeVendor, listed, make_client, reply

if TYPE_CHECKING:
    import httpx

#: In all that strangers write here.
MARK = "zqraw"
DISCREET = Discretion(lambda _: "<>", set())

#: JSON with a mark in it, whole and cut short, and bytes that are none.
VALUES = st.recursive(
    st.sampled_from([None, 5, 1.5, True, MARK, f"{MARK} text"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "room_id", "session_id", "peer_id", "peers", "data", MARK]), inner)
    ),
)
DOCUMENTS = st.one_of(
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.builds(lambda value, cut: json.dumps(value).encode()[:-cut], VALUES, st.integers(1, 4)),
    st.builds(lambda before, after: before + MARK.encode() + after, st.binary(max_size=9), st.binary(max_size=9)),
)


def check(rejected: RejectedDocument) -> None:
    """Its message has a part that is ours, and without its quotes no mark."""
    assert isinstance(rejected.message, Told)
    said = DISCREET.told(rejected.message)
    assert MARK not in said
    assert said.strip("<> :")


@given(DOCUMENTS)
def test_rooms_that_are_none(raw: bytes) -> None:
    """The name of the file is a quote, the place in it and what was expected are not."""
    outcomes = list(read_document([raw], "watch", document=f"{MARK}.json"))
    for outcome in outcomes:
        if isinstance(outcome, RejectedDocument):
            check(outcome)
            assert f"{MARK}.json: " in outcome.message


@given(DOCUMENTS)
def test_statistics_that_are_none(raw: bytes) -> None:
    """Ids are quotes; the rejection is about the session that was asked for."""
    session = Session(key=SessionKey("meetings", "", f"{MARK}-session"))
    outcome = parse_peer_stats(raw, session, PeerFacts(peer_id=f"{MARK}-peer"))
    if isinstance(outcome, RejectedDocument):
        check(outcome)
        assert outcome.session_id == f"{MARK}-session"


@given(DOCUMENTS)
def test_sessions_that_are_none(raw: bytes) -> None:
    """Rows are told by their place."""
    said = []
    try:
        for rejected in read_page(raw, ()).rejected:
            check(rejected)
    except MalformedError as error:
        said.append(str(error))
    try:
        read_session(raw, ())
    except MalformedError as error:
        said.append(str(error))
    assert MARK not in " ".join(said)


@pytest.mark.anyio
@pytest.mark.parametrize("path", [f"sessions/{MARK}", f"rooms/{MARK}", "analytics/peer-stats", "sessions"])
@pytest.mark.parametrize(
    ("status", "body"),
    [(400, b'{"message": "no zqraw"}'), (403, b'{"message": "no zqraw"}'), (500, b"zqraw"), (0, b"")],
)
async def test_calls_that_fail(path: str, status: int, body: bytes) -> None:
    """What was asked for stays by its kind, and the status; the vendor's words and the id are quotes."""

    def answer(_: httpx.Request) -> httpx.Response:
        if not status:
            raise TimeoutError(MARK)
        return reply(status, body)

    async with make_client(answer) as client:
        with pytest.raises(RequestError) as raised:
            await client.get(path, {"session_id": MARK})
    said = DISCREET.told(raised.value)
    assert MARK not in said
    kind = path.replace(MARK, "<>")
    assert said.startswith(f"{kind}: answered with status {status}" if status else f"{kind}: no answer in time (")
    assert (said.endswith(": <>")) == (b"message" in body)


@pytest.mark.anyio
async def test_polls_that_fail() -> None:
    """The last of many failures is told with its words."""
    sessions = [listed(f"{MARK}-{number}", f"{MARK}-peer") for number in range(20)]
    bench = Bench(FakeVendor(*sessions), {"peer_stats": {"concurrency": 1}})
    bench.vendor.default = 500
    expected = "10 calls in a row failed, the last: analytics/peer-stats: answered with status 500"
    assert DISCREET.told(await bench.fails()) == expected
    bench.vendor.listing = reply(400, b'{"message": "no zqraw"}')
    assert DISCREET.told(await bench.fails()) == "sessions: answered with status 400: <>"
