"""One room of a watchRTC data stream becomes a report."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import (
    Attributes,
    Peer,
    Report,
    Session,
    SessionKey,
    SessionSummary,
    Stream,
    Summary,
)
from exporter.sources.base import RejectedDocument, digest
from exporter.sources.watchrtc.parser import parse_room
from tests.watchrtc_support import SAMPLE, a_room, parsed, parsed_raw, refused


def audio_send(**values: object) -> dict[str, object]:
    """A room with one peer that sends audio of the given values."""
    return a_room(peers=[{"peer_id": "p", "stats": {"audio": {"send": values}}}])


def only_summary(report: Report) -> Summary:
    """The summary of the only stream of the only peer."""
    ((stream,),) = [peer.streams for peer in report.peers]
    assert stream.summary is not None
    return stream.summary


def test_the_vendors_sample() -> None:
    """Every field of the vendor's page, in base units."""
    (room,) = json.loads(SAMPLE.read_bytes())
    assert parsed(room, ("keyB", "absent", "keyA")) == Report(
        session=Session(
            key=SessionKey("watch", "roomid", "2022-09-04T00:09:22.885Z"),
            start=1662250162.885,
            end=1662250626.149,
            duration_seconds=463.0,
            peers=2,
            summary=SessionSummary(
                streams=(
                    Stream(
                        direction="send",
                        kind="audio",
                        summary=Summary(
                            throughput_bytes_per_second=1375.0,
                            packet_loss_ratio=0.061,
                            jitter_seconds=0.006,
                            round_trip_time_seconds=2.397,
                        ),
                    ),
                    Stream(
                        direction="recv",
                        kind="audio",
                        summary=Summary(
                            throughput_bytes_per_second=2500.0, packet_loss_ratio=0.002, jitter_seconds=0.015
                        ),
                    ),
                    Stream(
                        direction="send",
                        kind="video",
                        summary=Summary(
                            throughput_bytes_per_second=187_375.0,
                            packet_loss_ratio=0.045,
                            jitter_seconds=0.048,
                            round_trip_time_seconds=1.073,
                        ),
                    ),
                    Stream(
                        direction="recv",
                        kind="video",
                        summary=Summary(
                            throughput_bytes_per_second=13_625.0, packet_loss_ratio=0.001, jitter_seconds=0.043
                        ),
                    ),
                ),
                mos=4.35,
                media_score=6.0,
                call_setup_seconds=0.9,
            ),
        ),
        peers=(
            Peer(
                peer_id="peerid",
                stay="2022-06-24T06:37:35.547Z",
                start=1656052655.547,
                end=1656053047.547,
                duration_seconds=392.0,
                attributes=Attributes(
                    os="Linux",
                    os_version="64-bit",
                    browser="Chrome",
                    browser_version="102.0.5005.61",
                    country="Germany",
                    city="Frankfurt am Main",
                    organization="Google",
                    sdk_version="1.34.1-beta.1",
                    connection_type="TURN",
                    media_transport="udp",
                    audio_device="Fake Default Audio Input",
                    video_device="/video/KrankyGeek-1080p.y4m",
                    keys=(("keyA", "valueA"), ("keyB", "valueB")),
                ),
                streams=(
                    Stream(
                        direction="send",
                        kind="audio",
                        summary=Summary(
                            throughput_bytes_per_second=1625.0,
                            # The double nearest to 3.6, divided by 100.
                            packet_loss_ratio=0.036000000000000004,
                            jitter_seconds=0.008,
                            round_trip_time_seconds=0.428,
                            mos=3.29,
                            media_score=5.9,
                        ),
                    ),
                    Stream(
                        direction="recv",
                        kind="audio",
                        summary=Summary(
                            throughput_bytes_per_second=3000.0,
                            packet_loss_ratio=0.001,
                            jitter_seconds=0.004,
                            mos=3.29,
                            media_score=5.9,
                        ),
                    ),
                    Stream(
                        direction="send",
                        kind="video",
                        summary=Summary(
                            throughput_bytes_per_second=199_500.0,
                            packet_loss_ratio=0.027000000000000003,
                            jitter_seconds=0.015,
                            round_trip_time_seconds=0.159,
                            mos=3.29,
                        ),
                    ),
                    Stream(
                        direction="recv",
                        kind="video",
                        summary=Summary(
                            throughput_bytes_per_second=8500.0, packet_loss_ratio=0.001, jitter_seconds=0.013, mos=3.29
                        ),
                    ),
                ),
                mos=3.29,
                media_score=5.9,
                call_setup_seconds=0.164,
            ),
        ),
    )


@pytest.mark.parametrize(
    ("url", "session_id"),
    [
        ("https://app.testrtc.com/app/watchrtc-room/abc", "abc"),
        ("https://app.testrtc.com/app/watchrtc-room/abc/", "abc"),
        ("https://app.testrtc.com/app/watchrtc-room/abc?tab=1#top", "abc"),
        ("abc", "abc"),
        ("", "2026-03-01T12:00:00Z"),
        (None, "2026-03-01T12:00:00Z"),
        (["abc"], "2026-03-01T12:00:00Z"),
        ("https://app.testrtc.com", "2026-03-01T12:00:00Z"),
        ("https://app.testrtc.com/?tab=1", "2026-03-01T12:00:00Z"),
        ("https://[/", "2026-03-01T12:00:00Z"),
    ],
)
def test_a_session_is_named_by_its_url_or_else_its_start(url: object, session_id: str) -> None:
    """The room's id alone recurs at every meeting."""
    assert parsed(a_room(room_url=url)).session.key == SessionKey("watch", "r", session_id)


def test_the_url_is_kept_as_it_is() -> None:
    """It is a link for a person."""
    url = "https://app.testrtc.com/app/watchrtc-room/abc?x=1"
    assert parsed(a_room(room_url=url)).session.url == url


def test_a_room_id_that_is_a_number_is_its_text() -> None:
    """Applications number their rooms."""
    assert parsed({"room_id": 42, "start_time": "x"}).session.key.room_id == "42"


@pytest.mark.parametrize(
    ("room", "told"),
    [
        ({}, "room_id"),
        ({"room_id": ""}, "room_id"),
        ({"room_id": None, "start_time": "x"}, "room_id"),
        ({"room_id": ["r"], "start_time": "x"}, "room_id"),
        ({"room_id": "r"}, "start_time"),
        ({"room_id": "r", "room_url": "", "start_time": " "}, "start_time"),
        ({"room_id": "r", "room_url": None, "start_time": None}, "start_time"),
        ({"room_id": "r", "room_url": {}, "start_time": []}, "start_time"),
    ],
)
def test_a_room_without_identity_is_refused(room: dict[str, object], told: str) -> None:
    """It cannot be told from another, so it could not be counted once; the message says what is missing."""
    raw = json.dumps(room).encode()
    rejected = refused(raw)
    assert rejected.reason == "missing_identity"
    assert rejected.digest == digest(raw)
    assert rejected.message.startswith("f.json: element 1 at byte 0: ")
    assert told in rejected.message


@pytest.mark.parametrize("raw", [b"null", b"[]", b"1", b"1e999", b"true", b'"room"'])
def test_what_is_no_object_is_no_room(raw: bytes) -> None:
    """JSON, but not what the format says."""
    assert refused(raw).reason == "wrong_type"


@pytest.mark.parametrize(
    "raw", [b"", b"{", b'{"room_id":}', b'{"room_id":"\xff"}', b"\xff\xfe", b"[" * 100_000, b"{" + b'"a":{' * 5_000]
)
def test_what_is_no_json_is_malformed(raw: bytes) -> None:
    """And the message does not show the document."""
    assert refused(raw).reason == "malformed"


@pytest.mark.parametrize(
    ("given", "start", "end", "duration"),
    [
        ({"end_time": "2026-03-01T12:00:10Z", "duration": 9}, 1_772_366_400.0, 1_772_366_410.0, 9.0),
        ({"end_time": "2026-03-01T12:00:10Z"}, 1_772_366_400.0, 1_772_366_410.0, 10.0),
        ({"duration": 9}, 1_772_366_400.0, 1_772_366_409.0, 9.0),
        ({}, 1_772_366_400.0, None, None),
        ({"start_time": None, "duration": 9, "room_url": "/x"}, None, None, 9.0),
        ({"start_time": None, "end_time": "2026-03-01T12:00:10Z", "room_url": "/x"}, None, 1_772_366_410.0, None),
    ],
)
def test_times_complete_each_other(
    given: dict[str, object], start: float | None, end: float | None, duration: float | None
) -> None:
    """Of start, end and duration, two give the third."""
    session = parsed(a_room() | given).session
    assert (session.start, session.end, session.duration_seconds) == (start, end, duration)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T12:00:00", 1_772_366_400.0),
        ("2026-03-01T14:30:00+02:30", 1_772_366_400.0),
        ("2026-03-01t12:00:00.5z", 1_772_366_400.5),
        ("2026-03-01 12:00:00Z", 1_772_366_400.0),
    ],
)
def test_a_time_without_zone_is_utc(text: str, moment: float) -> None:
    """And every spelling of ISO 8601 is read."""
    assert parsed(a_room(start_time=text)).session.start == moment


@pytest.mark.parametrize("value", ["yesterday", 1_772_366_400, True, "2026-02-30T00:00:00Z"])
def test_an_unreadable_time_is_left_out_and_counted(value: object) -> None:
    """What is left still tells when it was, and the session keeps its identity."""
    report = parsed(a_room(start_time=value, room_url="/x", end_time="2026-03-01T12:00:10Z", duration=10))
    assert report.session.start is None
    assert report.session.end == 1_772_366_410.0
    assert report.rejected_samples == (("wrong_type", 1),)


def test_an_end_before_the_start_gives_no_duration() -> None:
    """A negative duration is out of range like any other."""
    report = parsed(a_room(end_time="2026-03-01T11:59:59Z"))
    assert report.session.duration_seconds is None
    assert report.rejected_samples == (("out_of_range", 1),)


def test_a_time_out_of_any_calendar_is_out_of_range() -> None:
    """Formats have a zero of their own for what they do not know."""
    report = parsed(a_room(end_time="0001-01-01T00:00:00Z", duration=1))
    assert report.session.end == 1_772_366_401.0
    assert report.rejected_samples == (("out_of_range", 1),)


@pytest.mark.parametrize(("users", "peers"), [(3, 3), ("3", 3), (3.0, 3), (0, 0), (None, None)])
def test_users_are_the_peers_of_the_session(users: object, peers: int | None) -> None:
    """Where the vendor gives none, those that are reported count."""
    report = parsed(a_room(users=users))
    assert report.session.peers == peers
    assert report.rejected_samples == ()


@pytest.mark.parametrize("users", [-1, 2.5, 1e7])
def test_users_that_cannot_be_are_out_of_range(users: object) -> None:
    """Half a person, or more than any room holds."""
    report = parsed(a_room(users=users))
    assert report.session.peers is None
    assert report.rejected_samples == (("out_of_range", 1),)


@pytest.mark.parametrize("literal", ["null", "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 400, "9" * 5000])
def test_what_no_double_holds_is_missing(literal: str) -> None:
    """None of these is a rejection, and none costs the values beside it."""
    raw = json.dumps(audio_send(jitter="HOLE", rtt=80)).replace('"HOLE"', literal).encode()
    report = parsed_raw(raw)
    assert only_summary(report) == Summary(round_trip_time_seconds=0.08)
    assert report.rejected_samples == ()


@pytest.mark.parametrize(("value", "seconds"), [("12", 0.012), ("1.2e1", 0.012), (12, 0.012), (12.5, 0.0125), ("0", 0)])
def test_text_that_is_a_number_is_one(value: object, seconds: float) -> None:
    """As some vendors write them."""
    assert only_summary(parsed(audio_send(jitter=value))).jitter_seconds == seconds


@pytest.mark.parametrize("value", ["", "12 ms", "NaN", "fast", " 12", "1_2", "+1", ".5", "٣", True, False, [12], {}])
def test_what_is_no_number_is_left_out_and_counted(value: object) -> None:
    """One bad value costs only itself."""
    report = parsed(audio_send(jitter=value, rtt=80))
    assert only_summary(report) == Summary(round_trip_time_seconds=0.08)
    assert report.rejected_samples == (("not_a_number", 1),)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("packet_loss", -0.1),
        ("packet_loss", 100.1),
        ("packet_loss", 4000),
        ("mos", 0.99),
        ("mos", 5.01),
        ("score", -0.1),
        ("score", 10.1),
        ("jitter", -1),
        ("rtt", -1),
        ("bitrate", -1),
        ("bitrate", 1e300),
        ("jitter", 1e300),
    ],
)
def test_a_value_out_of_range_is_left_out_and_counted(field: str, value: float) -> None:
    """A stream of which no value is left is none."""
    report = parsed(audio_send(**{field: value}))
    assert report.peers[0].streams == ()
    assert report.rejected_samples == (("out_of_range", 1),)


@pytest.mark.parametrize(
    ("field", "value", "attribute", "expected"),
    [
        ("packet_loss", 0, "packet_loss_ratio", 0.0),
        ("packet_loss", 100, "packet_loss_ratio", 1.0),
        ("mos", 1, "mos", 1.0),
        ("mos", 5, "mos", 5.0),
        ("score", 0, "media_score", 0.0),
        ("score", 10, "media_score", 10.0),
        ("bitrate", 8, "throughput_bytes_per_second", 1000.0),
        ("jitter", 0, "jitter_seconds", 0.0),
    ],
)
def test_limits_are_within(field: str, value: float, attribute: str, expected: float) -> None:
    """And 0 is a value, not a missing one."""
    assert getattr(only_summary(parsed(audio_send(**{field: value}))), attribute) == expected


def test_a_negative_zero_is_zero() -> None:
    """It would show as `-0.0` otherwise."""
    assert str(only_summary(parsed(audio_send(bitrate=-0.0))).throughput_bytes_per_second) == "0.0"


def test_totals_of_room_and_peer() -> None:
    """MOS, score, the user's rating and the call set-up time, the last in seconds."""
    stats = {"mos": 4, "score": 9, "user": 5, "call_setup_time": 250}
    report = parsed(a_room(stats=stats, peers=[{"peer_id": "p", "stats": stats}]))
    assert report.session.summary == SessionSummary(mos=4.0, media_score=9.0, user_rating=5.0, call_setup_seconds=0.25)
    (peer,) = report.peers
    assert (peer.mos, peer.media_score, peer.user_rating, peer.call_setup_seconds) == (4.0, 9.0, 5.0, 0.25)


@pytest.mark.parametrize(("field", "value"), [("user", 0), ("user", 5.5), ("call_setup_time", -1), ("mos", 0)])
def test_totals_out_of_range(field: str, value: float) -> None:
    """A rating of 0 means that nobody rated."""
    report = parsed(a_room(stats={field: value}))
    assert report.session.summary is None
    assert report.rejected_samples == (("out_of_range", 1),)


def test_received_round_trip_time_is_read_where_it_is() -> None:
    """The vendor's page has none, its release notes speak of it."""
    report = parsed(a_room(peers=[{"peer_id": "p", "stats": {"video": {"recv": {"rtt": 50}}}}]))
    assert report.peers[0].streams == (
        Stream(direction="recv", kind="video", summary=Summary(round_trip_time_seconds=0.05)),
    )


@pytest.mark.parametrize("stats", [None, {}, {"audio": None}, {"audio": {"send": None, "recv": {}}, "video": {}}])
def test_rooms_and_peers_without_stats(stats: object) -> None:
    """They count; nothing is made up for them, and nothing is wrong."""
    report = parsed(a_room(stats=stats, peers=[{"peer_id": "p", "stats": stats}]))
    assert report.session.summary is None
    assert report.peers == (Peer(peer_id="p"),)
    assert report.rejected_samples == ()


def test_undirected_values_are_not_read() -> None:
    """They are the means of send and recv, whatever they say."""
    report = parsed(a_room(stats={"audio": {"bitrate": 5, "packet_loss": "?", "jitter": -1}}))
    assert report.session.summary is None
    assert report.rejected_samples == ()


@pytest.mark.parametrize("bad", [[], "x", 1, True])
def test_a_block_of_another_type_costs_only_itself(bad: object) -> None:
    """In the room and in a peer, at every level."""
    good = {"send": {"jitter": 1}}
    report = parsed(
        a_room(
            stats=bad,
            peers=[
                {
                    "peer_id": "p",
                    "location": bad,
                    "features": bad,
                    "keys": bad,
                    "stats": {"audio": good, "video": bad},
                },
                {"peer_id": "q", "stats": {"audio": {"send": bad, "recv": {"jitter": 1}}}},
            ],
        )
    )
    assert report.rejected_samples == (("wrong_type", 6),)
    assert [stream.direction for peer in report.peers for stream in peer.streams] == ["send", "recv"]


@pytest.mark.parametrize("peers", [{}, "none", 2, True])
def test_peers_that_are_no_list_are_none(peers: object) -> None:
    """The room itself stays."""
    report = parsed(a_room(peers=peers))
    assert report.peers == ()
    assert report.rejected_samples == (("wrong_type", 1),)


@pytest.mark.parametrize("room", [a_room(), a_room(peers=None), a_room(peers=[]), a_room(peers=[None])])
def test_a_room_without_peers_has_none(room: dict[str, object]) -> None:
    """And that is nothing wrong."""
    report = parsed(room)
    assert report.peers == ()
    assert report.rejected_samples == ()


@pytest.mark.parametrize("bad", ["p", 1, [], {}, {"peer_id": ""}, {"peer_id": None}, {"peer_id": ["p"]}])
def test_a_peer_without_identity_costs_only_itself(bad: object) -> None:
    """It is counted, the others are kept."""
    report = parsed(a_room(peers=[{"peer_id": "a"}, bad, {"peer_id": 7}]))
    assert [peer.peer_id for peer in report.peers] == ["a", "7"]
    assert report.rejected_samples == (("wrong_type", 1),)


def test_stays_of_one_peer_are_told_apart() -> None:
    """By their start, and by a number where that is the same; the same document always gives the same stays."""
    starts: list[str | None] = ["x", "x", None, None, "x", "x#2", "#2", "y#2", "y", "y"]
    report = parsed(a_room(peers=[{"peer_id": "p", "start_time": start} for start in starts]))
    assert [peer.stay for peer in report.peers] == ["x", "x#2", "", "#2", "x#3", "x#2#2", "#2#2", "y#2", "y", "y#3"]


@pytest.mark.no_cover
def test_ten_thousand_stays_of_one_peer() -> None:
    """A hostile room costs no quadratic time: this would take minutes."""
    report = parsed(a_room(peers=[{"peer_id": "p"}] * 10_000))
    assert len({peer.stay for peer in report.peers}) == 10_000


def test_attributes_are_text() -> None:
    """Text as it is, numbers and booleans as JSON writes them, null as nothing; the rest is counted."""
    peer = {
        "peer_id": "p",
        "os": " Mac OS ",
        "os_version": 14,
        "browser": None,
        "browser_version": 102.5,
        "sdk_version": True,
        "audio_device": ["a"],
        "video_device": {"a": 1},
        "location": {"city": "Zürich", "country": "\u202eCH", "organization": "a\nb"},
        "features": {"connection_type": "TURN", "media_transport": ["udp"]},
    }
    report = parsed(a_room(peers=[peer]))
    assert report.peers[0].attributes == Attributes(
        os=" Mac OS ",
        os_version="14",
        browser_version="102.5",
        sdk_version="true",
        city="Zürich",
        country="\u202eCH",
        organization="a\nb",
        connection_type="TURN",
    )
    assert report.rejected_samples == (("wrong_type", 3),)


def test_lone_surrogates_are_replaced() -> None:
    """JSON can write what UTF-8 cannot hold; pairs are one character."""
    raw = rb'{"room_id":"a\ud800b","start_time":"x\udc00","peers":[{"peer_id":"\ud83d\ude80"}],"end_time":null}'
    report = parsed_raw(raw)
    assert report.session.key == SessionKey("watch", "a\ufffdb", "x\ufffd")
    assert report.peers[0].peer_id == "\U0001f680"


@pytest.mark.parametrize("digits", [309, 400, 4000])
def test_a_long_number_is_text(digits: int) -> None:
    """Where text belongs, it need not be a number that can be computed with."""
    report = parsed_raw(b'{"room_id":"r","start_time":"x","peers":[{"peer_id":%s}]}' % (b"7" * digits))
    (peer,) = report.peers
    assert peer.peer_id.startswith("7" * 309)


def test_a_number_that_no_double_holds_is_no_text() -> None:
    """`Infinity` is no JSON."""
    raw = b'{"room_id":"r","start_time":"x","peers":[{"peer_id":"p","os":1e999}]}'
    report = parsed_raw(raw)
    assert report.peers[0].attributes.os == ""


def test_nan_is_missing_where_text_or_a_peer_belongs() -> None:
    """As it is where a number belongs: nothing is counted."""
    report = parsed_raw(b'{"room_id":"r","start_time":"x","stats":NaN,"peers":[{"peer_id":"p","os":NaN},NaN]}')
    assert report.peers == (Peer(peer_id="p"),)
    assert report.rejected_samples == (("wrong_type", 1),)


def test_only_listed_keys_are_kept() -> None:
    """As text, ordered by name: the vendor's SDK wraps texts into lists, other values come as they are."""
    keys = {
        "text": "a",
        "list": ["a", "b", 1, None, True],
        "number": 1.5,
        "boolean": False,
        "null": None,
        "nulls": [None],
        "none": [],
        "object": {"a": 1},
        "nested": ["a", ["b"], "c"],
        "private": "secret",
    }
    listed = ("text", "text", "object", "nulls", "number", "null", "none", "nested", "list", "boolean", "absent")
    report = parsed(a_room(peers=[{"peer_id": "p", "keys": keys}]), listed)
    assert report.peers[0].attributes.keys == (
        ("boolean", "false"),
        ("list", "a,b,1,true"),
        ("nested", "a,c"),
        ("number", "1.5"),
        ("text", "a"),
    )
    assert report.rejected_samples == (("wrong_type", 2),)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["2026-03-01T12:00:00Z", "12", "", 1e308, -1, 10**400]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def objects(*names: str, inner: st.SearchStrategy[Any] = JSON) -> st.SearchStrategy[Any]:
    """Objects with some of the names, of values that may fit, or anything else."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, inner)) | JSON


STREAMS = objects("bitrate", "packet_loss", "jitter", "rtt", "mos", "score")
STATS = objects("audio", "video", inner=objects("send", "recv", inner=STREAMS))
PEERS = st.lists(
    st.fixed_dictionaries(
        {"peer_id": JSON},
        optional={"stats": STATS, "keys": objects("a"), "start_time": JSON, "duration": JSON, "location": JSON},
    )
)
ROOMS = st.fixed_dictionaries(
    {"room_id": JSON | st.just("r")},
    optional={
        "room_url": JSON,
        "start_time": JSON,
        "end_time": JSON,
        "duration": JSON,
        "users": JSON,
        "stats": STATS,
        "peers": PEERS | JSON,
    },
)


@given(ROOMS | JSON)
def test_any_json_is_a_report_or_a_rejection(room: object) -> None:
    """Nothing raises, and all text can be stored and sent as UTF-8."""
    outcome = parse_room(json.dumps(room).encode(), source="watch", keys_as_labels=("a",), place="here")
    assert isinstance(outcome, Report | RejectedDocument)
    if isinstance(outcome, Report):
        assert outcome.session.key.session_id
        assert outcome.session.key.room_id
        msgspec.json.encode(outcome)
        stays = [(peer.peer_id, peer.stay) for peer in outcome.peers]
        assert len(stays) == len(set(stays))


@given(st.binary())
def test_any_bytes_are_a_report_or_a_rejection(raw: bytes) -> None:
    """Whatever stands between two commas."""
    assert isinstance(refused(raw), RejectedDocument)
