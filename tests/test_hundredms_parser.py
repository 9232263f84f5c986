"""The 100ms parser: what the vendor documents, what really comes, and what never should."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import (
    Attributes,
    Peer,
    Report,
    Session,
    SessionKey,
    Stream,
    Track,
    Window,
)
from exporter.sources.base import RejectedDocument, digest
from exporter.sources.hundredms.facts import PeerFacts
from exporter.sources.hundredms.parser import empty_report, has_data, parse_peer_stats, parse_saved_peer_stats
from tests.hundredms_support import FIXTURES, a_session, peer_stats

#: The first time stamp of the vendor's sample, in seconds.
T = 1738843560.0


def parse(raw: bytes) -> Report:
    """Parses an answer about peer p1 of session s1."""
    report = parse_peer_stats(raw, a_session(), PeerFacts(peer_id="p1"))
    assert isinstance(report, Report)
    return report


def parse_series(
    branch: str = "publisher", kind: str = "audio", **series: object
) -> tuple[tuple[Window, ...], dict[str, int]]:
    """Parses a document of one track with the given arrays; its windows, and what was left out."""
    report = parse(peer_stats(**{branch: {kind: [{"track_id": "t", "time_series": series}]}}))
    streams = report.peers[0].streams
    windows = streams[0].tracks[0].windows if streams else ()
    return windows, {str(reason): count for reason, count in report.rejected_samples}


def test_vendor_sample_gives_exact_values() -> None:
    """Every number of the vendor's own sample arrives where it belongs, in base units."""
    raw = (FIXTURES / "peer_stats_sample.json").read_bytes()
    report = parse_saved_peer_stats(raw, "prod", "sample.json")

    camera, screen = "a1b2c3d4-e5f6-7890-abcd-ef1234567890", "b2c3d4e5-f6a7-8901-bcde-f12345678901"
    sent_audio = Window(
        end=T,
        seconds=10.0,
        throughput_bytes_per_second=8000.0,
        packet_loss_ratio=0.001,
        round_trip_time_seconds=0.045,
        jitter_seconds=2.1 / 1000,  # 0.0021000000000000003 as a double
    )
    high = (
        Window(
            end=T,
            seconds=10.0,
            throughput_bytes_per_second=312_500.0,
            packet_loss_ratio=0.003,
            round_trip_time_seconds=0.045,
            frames_per_second=30.0,
        ),
        Window(
            end=T + 10,
            seconds=10.0,
            throughput_bytes_per_second=310_000.0,
            packet_loss_ratio=0.002,
            round_trip_time_seconds=0.047,
            frames_per_second=30.0,
        ),
    )
    middle = Window(
        end=T,
        seconds=10.0,
        throughput_bytes_per_second=150_000.0,
        packet_loss_ratio=0.0015,
        round_trip_time_seconds=0.045,
        frames_per_second=30.0,
    )
    shared = Window(
        end=T,
        seconds=10.0,
        throughput_bytes_per_second=100_000.0,
        packet_loss_ratio=0.001,
        round_trip_time_seconds=0.046,
        frames_per_second=5.0,
    )
    received_audio = Window(end=T, seconds=10.0, packet_loss_ratio=0.002, concealed_samples=0.0)
    received_video = Window(end=T, seconds=10.0, frames_per_second=15.0, freezes=0.0)
    assert report == Report(
        session=Session(key=SessionKey("prod", "6977b3f3cdd1e423f8b2xxxx", "6977b3f3cdd1e423f8b2cxxx")),
        peers=(
            Peer(
                peer_id="1169b4b7-68c2-4d39-8568-5618433958ac",
                start=T - 10,
                end=T + 10,
                duration_seconds=20.0,
                streams=(
                    Stream(
                        direction="send",
                        kind="audio",
                        tracks=(Track(track_id="c3d4e5f6-a7b8-9012-cdef-123456789012", windows=(sent_audio,)),),
                    ),
                    Stream(
                        direction="send",
                        kind="video",
                        track_type="regular",
                        rid="h",
                        tracks=(Track(track_id=camera, windows=high),),
                    ),
                    Stream(
                        direction="send",
                        kind="video",
                        track_type="regular",
                        rid="m",
                        tracks=(Track(track_id=camera, windows=(middle,)),),
                    ),
                    Stream(
                        direction="send",
                        kind="video",
                        track_type="screen",
                        tracks=(Track(track_id=screen, windows=(shared,)),),
                    ),
                    Stream(
                        direction="recv",
                        kind="audio",
                        tracks=(Track(track_id="fbc9c8f8-70ea-4d24-9699-12bf3eba94d8", windows=(received_audio,)),),
                    ),
                    Stream(
                        direction="recv",
                        kind="video",
                        track_type="regular",
                        tracks=(Track(track_id="4334da7c-1d73-4e19-9d63-4b0571f5acd4", windows=(received_video,)),),
                    ),
                ),
            ),
        ),
    )


class TestIdentity:
    """Who a document is about."""

    def test_facts_of_the_listing_win(self) -> None:
        """Join and leave times and the role come from the session; the body need not repeat who it is about."""
        session = Session(key=SessionKey("x", "room", "s1"), start=1.0, end=9.0, duration_seconds=8.0, peers=3)
        facts = PeerFacts(peer_id="p1", role="host", joined=2.0, left=8.5)
        raw = b'{"room_id": "other", "publisher": {"audio": [{"time_series": {"timestamps": [5000]}}]}}'
        report = parse_peer_stats(raw, session, facts)
        assert isinstance(report, Report)
        assert report.session == session
        peer = report.peers[0]
        assert (peer.peer_id, peer.start, peer.end, peer.duration_seconds) == ("p1", 2.0, 8.5, 6.5)
        assert peer.attributes == Attributes(role="host")

    def test_room_is_taken_from_the_body_where_it_is_not_known(self) -> None:
        """A session that the configuration names has no room until an answer tells it."""
        report = parse_peer_stats(peer_stats(), a_session(room_id=""), PeerFacts(peer_id="p1"))
        assert isinstance(report, Report)
        assert report.session.key == SessionKey("100ms", "r1", "s1")

    @pytest.mark.parametrize("body", [{"peer_id": "p2"}, {"session_id": "s2"}, {"session_id": "s1", "peer_id": "P1"}])
    def test_an_answer_about_another_peer_is_refused(self, body: dict[str, str]) -> None:
        """Somebody else's numbers never count for this peer."""
        raw = json.dumps(body).encode()
        refused = parse_peer_stats(raw, a_session(), PeerFacts(peer_id="p1"))
        assert isinstance(refused, RejectedDocument)
        assert refused.reason == "missing_identity"
        assert refused.digest == digest(raw)
        assert "session 's1', peer 'p1'" in refused.message

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"room_id": "r", "session_id": "s"},
            {"room_id": "r", "peer_id": "p"},
            {"room_id": "r", "session_id": 1, "peer_id": ["p"]},
            {"session_id": "s", "peer_id": "p"},
            {"room_id": "", "session_id": "s", "peer_id": "p"},
        ],
    )
    def test_a_saved_document_must_say_who_it_is_about(self, body: dict[str, object]) -> None:
        """Nothing else tells it; without its room it would be another session than the one that is polled."""
        refused = parse_saved_peer_stats(json.dumps(body).encode(), "x", "file.json")
        assert isinstance(refused, RejectedDocument)
        assert refused.reason == "missing_identity"
        assert refused.message.startswith("file.json: ")

    def test_a_saved_document_says_who_it_is_about(self) -> None:
        """And needs nothing else."""
        report = parse_saved_peer_stats(b'{"room_id": "r", "session_id": "s", "peer_id": "p"}', "x", "file.json")
        assert isinstance(report, Report)
        assert report.session.key == SessionKey("x", "r", "s")

    def test_a_stay_is_as_long_as_its_tracks_where_nothing_else_tells(self) -> None:
        """From the first window's start to the last time stamp, whichever track has them."""
        series = [{"timestamps": [60_000, 70_000, 80_000]}, {"timestamps": [50_000, 52_000]}, {"timestamps": [55_000]}]
        raw = peer_stats(subscriber={"audio": [{"time_series": each} for each in series]})
        peer = parse(raw).peers[0]
        assert (peer.start, peer.end, peer.duration_seconds) == (45.0, 80.0, 35.0)

    def test_clocks_that_disagree_give_no_duration(self) -> None:
        """A stay of negative length is not known, not zero."""
        facts = PeerFacts(peer_id="p1", joined=10.0, left=5.0)
        report = parse_peer_stats(peer_stats(), a_session(), facts)
        assert isinstance(report, Report)
        assert (report.peers[0].start, report.peers[0].end, report.peers[0].duration_seconds) == (10.0, 5.0, None)

    def test_empty_report_is_a_peer_that_counts(self) -> None:
        """A peer of whom no statistics came is still there, with its times."""
        report = empty_report(a_session(), PeerFacts(peer_id="p1", role="host", joined=1.0, left=3.0))
        assert report.peers == (
            Peer(peer_id="p1", start=1.0, end=3.0, duration_seconds=2.0, attributes=Attributes(role="host")),
        )
        assert not has_data(report)


class TestSeries:
    """How arrays become windows."""

    def test_null_items_are_missing(self) -> None:
        """A null is neither zero nor a rejection, and costs no other metric."""
        windows, rejected = parse_series(timestamps=[1000, 2000], bitrate=[None, 80], rtt_ms=[20, None])
        assert windows == (
            Window(end=1.0, seconds=1.0, round_trip_time_seconds=0.02),
            Window(end=2.0, seconds=1.0, throughput_bytes_per_second=10.0),
        )
        assert rejected == {}

    def test_windows_exist_for_time_stamps_alone(self) -> None:
        """Watched time counts, even where nothing was measured."""
        windows, rejected = parse_series(timestamps=[1000, 3000], bitrate=[], fps=None)
        assert windows == (Window(end=1.0, seconds=2.0), Window(end=3.0, seconds=2.0))
        assert rejected == {}

    def test_an_array_of_another_length_is_skipped_and_counted(self) -> None:
        """Values that cannot be aligned are no values; the other metrics stay."""
        windows, rejected = parse_series(timestamps=[1000, 2000], bitrate=[8, 8, 8], rtt_ms=[1], jitter_ms=[5, 6])
        assert windows == (
            Window(end=1.0, seconds=1.0, jitter_seconds=0.005),
            Window(end=2.0, seconds=1.0, jitter_seconds=0.006),
        )
        assert rejected == {"length_mismatch": 2}

    def test_values_without_time_stamps_are_no_samples(self) -> None:
        """Without a time there is no window, and the array counts as misaligned."""
        assert parse_series(bitrate=[8, 8]) == ((), {"length_mismatch": 1})

    def test_unordered_time_stamps_are_sorted_with_their_values(self) -> None:
        """The client's clock may go back; each value stays with its time."""
        windows, rejected = parse_series(timestamps=[3000, 1000, 2000], rtt_ms=[3, 1, 2])
        assert [(window.end, window.round_trip_time_seconds) for window in windows] == [
            (1.0, 0.001),
            (2.0, 0.002),
            (3.0, 0.003),
        ]
        assert rejected == {}

    def test_of_duplicate_time_stamps_the_first_counts(self) -> None:
        """First as the vendor gives them, not by value; each one dropped is counted."""
        windows, rejected = parse_series(timestamps=[2000, 1000, 2000, 2000], rtt_ms=[9, 1, 5, 7])
        assert [(window.end, window.round_trip_time_seconds) for window in windows] == [(1.0, 0.001), (2.0, 0.009)]
        assert rejected == {"duplicate_timestamp": 2}

    def test_moments_that_are_one_as_seconds_are_duplicates(self) -> None:
        """Two samples at one time would make one series say two things."""
        first = math.nextafter(2_170_000_000_000.0, math.inf)
        second = math.nextafter(first, math.inf)
        assert first / 1000 == second / 1000
        windows, rejected = parse_series(timestamps=[first, second, first + 1000])
        assert [window.end for window in windows] == [first / 1000, (first + 1000) / 1000]
        assert rejected == {"duplicate_timestamp": 1}

    def test_a_sample_without_a_usable_time_is_dropped(self) -> None:
        """Null is missing, garbage is counted, numbers as text are numbers."""
        stamps = [1000, None, "x", True, -5, 0, 1e18, "2000", [3], 4000.5]
        windows, rejected = parse_series(timestamps=stamps, rtt_ms=list(range(10)))
        assert [(window.end, window.round_trip_time_seconds) for window in windows] == [
            (1.0, 0.0),
            (2.0, 0.007),
            (4.0005, 0.009),
        ]
        assert rejected == {"not_a_number": 3, "out_of_range": 3}

    @pytest.mark.parametrize(
        ("stamps", "seconds"),
        [
            ([10_000], [10.0]),
            ([10_000, 12_000], [2.0, 2.0]),
            ([1_000, 2_000, 4_000, 7_000], [2.0, 1.0, 2.0, 3.0]),  # median gap of 1, 2, 3
            ([1.5, 1_001.5, 3_001.5], [1.5, 1.0, 2.0]),  # median of an even number: the middle
            ([1_000, 2_000, 3_000, 4_000, 99_000], [1.0, 1.0, 1.0, 1.0, 3.0]),  # a pause is no window
        ],
    )
    def test_window_lengths(self, stamps: list[float], seconds: list[float]) -> None:
        """A window is the gap before its sample, at most three median gaps; the first one has the median."""
        windows, _ = parse_series(timestamps=stamps)
        assert [window.seconds for window in windows] == seconds

    @pytest.mark.parametrize(
        ("value", "ratio", "reason"),
        [
            (0, 0.0, None),
            (100, 1.0, None),
            (-0.1, None, "out_of_range"),
            (100.1, None, "out_of_range"),
            (10**400, None, "out_of_range"),
            (-(10**400), None, "out_of_range"),
            ("12", 0.12, None),
            ("1.2e1", 0.12, None),
            ("-3", None, "out_of_range"),
            ("1e999", None, None),
            ("", None, "not_a_number"),
            (" 12", None, "not_a_number"),
            ("1_2", None, "not_a_number"),
            ("NaN", None, "not_a_number"),
            ("\u0661\u0662", None, "not_a_number"),
            (True, None, "not_a_number"),
            ([1], None, "not_a_number"),
            ({"a": 1}, None, "not_a_number"),
            (float("nan"), None, None),
            (float("inf"), None, None),
            (float("-inf"), None, None),
        ],
    )
    def test_one_odd_value_among_good_ones(self, value: object, ratio: float | None, reason: str | None) -> None:
        """It is read, or left out and counted by its reason; its neighbours stay."""
        windows, rejected = parse_series(timestamps=[1000, 2000, 3000], packet_loss_percent=[1, value, 3])
        assert [window.packet_loss_ratio for window in windows] == [0.01, ratio, 0.03]
        assert rejected == ({reason: 1} if reason else {})

    @pytest.mark.parametrize(
        ("literal", "rejected"),
        [
            (b"1e999", {}),
            (b"-1e999", {}),
            (b"NaN", {}),
            (b"1" + b"0" * 400, {"out_of_range": 1}),
            (b"-1" + b"0" * 5000, {"out_of_range": 1}),
            (b"1e16", {"out_of_range": 1}),
        ],
    )
    def test_a_literal_past_every_float_costs_itself(self, literal: bytes, rejected: dict[str, int]) -> None:
        """Infinity is missing, an integer that nothing can hold is out of range; its neighbours stay."""
        series = b'{"timestamps": [1000, 2000], "bitrate": [8, ' + literal + b"]}"
        report = parse(b'{"subscriber": {"video": [{"time_series": ' + series + b"}]}}")
        windows = report.peers[0].streams[0].tracks[0].windows
        assert [window.throughput_bytes_per_second for window in windows] == [1.0, None]
        assert dict(report.rejected_samples) == rejected

    def test_values_of_dropped_samples_are_not_looked_at(self) -> None:
        """One fault counts once: a duplicate is counted as such, whatever it says."""
        windows, rejected = parse_series(timestamps=[1000, 1000, None, 2000], rtt_ms=[1, "x", -1, 4])
        assert [window.round_trip_time_seconds for window in windows] == [0.001, 0.004]
        assert rejected == {"duplicate_timestamp": 1}

    @pytest.mark.parametrize("odd", [1000, "1000", {"0": 1000}, False])
    def test_time_stamps_that_are_no_array_are_one_fault(self, odd: object) -> None:
        """The arrays beside them are not counted, too."""
        assert parse_series(timestamps=odd, rtt_ms=[1], fps=[2]) == ((), {"wrong_type": 1})

    @pytest.mark.parametrize("metric", ["bitrate", "fps", "rtt_ms", "jitter_ms", "freeze_count", "concealed_samples"])
    def test_negative_amounts_are_out_of_range(self, metric: str) -> None:
        """Resets of a client's counters show as negatives: they are no measurement."""
        series: dict[str, Any] = {metric: [-1]}
        windows, rejected = parse_series(timestamps=[1000], **series)
        assert windows == (Window(end=1.0, seconds=10.0),)
        assert rejected == {"out_of_range": 1}

    @pytest.mark.parametrize("branch", ["publisher", "subscriber"])
    @pytest.mark.parametrize("kind", ["audio", "video"])
    def test_every_metric_is_read_in_every_branch(self, branch: str, kind: str) -> None:
        """What the vendor adds to a branch later is read from the day it comes."""
        windows, rejected = parse_series(
            branch,
            kind,
            timestamps=[1000],
            bitrate=[800],
            fps=[24.5],
            packet_loss_percent=[50],
            rtt_ms=[250],
            jitter_ms=[30],
            freeze_count=[2],
            concealed_samples=[480],
            quality=["unknown", "keys", "are", "ignored"],
        )
        assert windows == (
            Window(
                end=1.0,
                seconds=10.0,
                throughput_bytes_per_second=100.0,
                frames_per_second=24.5,
                packet_loss_ratio=0.5,
                round_trip_time_seconds=0.25,
                jitter_seconds=0.03,
                freezes=2.0,
                concealed_samples=480.0,
            ),
        )
        assert rejected == {}

    @pytest.mark.parametrize("odd", [5, "text", {"0": 1}, True])
    def test_a_metric_that_is_no_array_is_counted(self, odd: object) -> None:
        """It costs itself only."""
        windows, rejected = parse_series(timestamps=[1000], rtt_ms=odd, jitter_ms=[1])
        assert windows == (Window(end=1.0, seconds=10.0, jitter_seconds=0.001),)
        assert rejected == {"wrong_type": 1}


class TestStreams:
    """How tracks become streams."""

    def tracks(self, *tracks: object) -> Report:
        """Parses a document with these sent video tracks."""
        return parse(peer_stats(publisher={"video": list(tracks)}))

    def track(self, track_id: object = "t", **keys: object) -> dict[str, object]:
        """One video track of one sample."""
        return {"track_id": track_id, "time_series": {"timestamps": [1000]}, **keys}

    def test_tracks_of_one_kind_type_and_layer_are_one_stream(self) -> None:
        """Several cameras, or one that was published again, are one series; layers and screens are others."""
        report = self.tracks(
            self.track("b", type="regular", rid="h"),
            self.track("a", type="regular", rid="h"),
            self.track("a", type="regular", rid="h"),
            self.track("a", type="regular", rid=None),
            self.track("c", type="screen"),
        )
        found = [
            (stream.track_type, stream.rid, [track.track_id for track in stream.tracks])
            for stream in report.peers[0].streams
        ]
        assert found == [("regular", "", ["a"]), ("regular", "h", ["a", "a", "b"]), ("screen", "", ["c"])]

    @pytest.mark.parametrize(
        ("raw", "track_type"),
        [("regular", "regular"), ("screen", "screen"), ("videoplaylist", "other"), ("", ""), (None, ""), (7, "")],
    )
    def test_track_types(self, raw: object, track_type: str) -> None:
        """Types that the vendor may invent share one label value; none is none."""
        assert self.tracks(self.track(type=raw)).peers[0].streams[0].track_type == track_type

    def test_identifiers_of_odd_types_are_unknown(self) -> None:
        """They cost no data."""
        stream = self.tracks(self.track(track_id=7, rid=["h"])).peers[0].streams[0]
        assert (stream.rid, stream.tracks[0].track_id) == ("", "")

    def test_half_a_surrogate_pair_can_be_encoded(self) -> None:
        """A label that cannot be written as UTF-8 would break the page for everyone."""
        track = b'{"track_id": "x\\ud800", "rid": "\\udfff", "time_series": {"timestamps": [1]}}'
        raw = b'{"publisher": {"video": [' + track + b"]}}"
        stream = parse(raw).peers[0].streams[0]
        assert (stream.rid, stream.tracks[0].track_id) == ("\ufffd", "x\ufffd")

    @pytest.mark.parametrize(
        ("body", "rejected"),
        [
            ({}, {}),
            ({"publisher": None, "subscriber": {"audio": None, "video": []}}, {}),
            ({"publisher": {"audio": [None, {"time_series": None}, {}, {"time_series": {"timestamps": []}}]}}, {}),
            ({"publisher": 5, "subscriber": "x"}, {"wrong_type": 2}),
            ({"publisher": {"audio": {}, "video": "x"}}, {"wrong_type": 2}),
            ({"publisher": {"audio": [1, "x", [], {"time_series": []}]}}, {"wrong_type": 4}),
        ],
    )
    def test_a_document_without_samples_has_no_streams(self, body: dict[str, object], rejected: dict[str, int]) -> None:
        """That is how an answer before its time looks; what is not as it should be is counted."""
        report = parse(peer_stats(**body))
        assert not has_data(report)
        assert report.peers[0].streams == ()
        assert dict(report.rejected_samples) == rejected

    def test_one_bad_track_costs_only_itself(self) -> None:
        """Its neighbours stay."""
        report = self.tracks("bad", self.track(), {"time_series": 5})
        assert has_data(report)
        assert report.rejected_samples == (("wrong_type", 2),)


BROKEN = {
    "empty": b"",
    "blank": b" \n",
    "cut": b'{"publisher": {"audio": [',
    "cut in a word": b'{"publisher": nul',
    "trailing": b"{} {}",
    "single quotes": b"{'a': 1}",
    "comment": b"{} // done",
    "html": b"<html><body>502 Bad Gateway</body></html>",
    "not utf-8": b'{"room_id": "\xff\xfe"}',
    "latin 1": '{"room_id": "caf\u00e9"}'.encode("latin-1"),
    "utf-16": '{"room_id": "r"}'.encode("utf-16"),
    "utf-32": '{"room_id": "r"}'.encode("utf-32"),
    "nul bytes": b"\x00" * 100,
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00",
    "deep lists": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a": ' * 100_000,
    "deep and no json": b'{"b": NaN, "a": ' + b"[" * 100_000,
    "control character": b'{"a": "\x01"}',
    "leading zero": b'{"a": 01}',
    "lone minus": b'{"a": -}',
}
NO_OBJECTS = {"list": b"[]", "number": b"12", "text": b'"x"', "null": b"null", "true": b"true", "huge": b"1e999"}


class TestBrokenDocuments:
    """Bytes that are no answer."""

    @pytest.mark.parametrize("name", BROKEN)
    def test_malformed(self, name: str) -> None:
        """One clear rejection that quotes nothing."""
        refused = parse_peer_stats(BROKEN[name], a_session(), PeerFacts(peer_id="p1"))
        assert isinstance(refused, RejectedDocument)
        assert refused.reason == "malformed"
        assert len(refused.message) < 200

    @pytest.mark.parametrize("name", NO_OBJECTS)
    def test_no_object(self, name: str) -> None:
        """JSON, but not what the format says."""
        refused = parse_peer_stats(NO_OBJECTS[name], a_session(), PeerFacts(peer_id="p1"))
        assert isinstance(refused, RejectedDocument)
        assert refused.reason == "wrong_type"
        assert "expected an object" in refused.message

    def test_byte_order_mark_is_taken(self) -> None:
        """Files that were saved by hand often have one."""
        assert parse(b"\xef\xbb\xbf" + peer_stats()).session.key.room_id == "r1"

    @given(st.binary(max_size=200))
    def test_no_bytes_raise(self, raw: bytes) -> None:
        """Whatever comes over the wire ends as a value."""
        assert isinstance(parse_peer_stats(raw, a_session(), PeerFacts(peer_id="p")), Report | RejectedDocument)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**320), max_value=10**320)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["12", "-1", "1e3", "1e999", "NaN"])
)
NAMES = st.sampled_from(
    [
        "publisher",
        "subscriber",
        "audio",
        "video",
        "time_series",
        "timestamps",
        "bitrate",
        "fps",
        "rtt_ms",
        "packet_loss_percent",
        "track_id",
        "type",
        "rid",
        "session_id",
    ]
)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=25
)
ARRAYS = st.lists(SCALARS, max_size=6) | ANYTHING
SERIES = st.dictionaries(
    NAMES | st.sampled_from(["jitter_ms", "freeze_count", "concealed_samples"]), ARRAYS, max_size=6
)
TRACKS = st.lists(
    st.fixed_dictionaries({"time_series": SERIES}, optional={"type": SCALARS, "rid": SCALARS, "track_id": SCALARS})
    | ANYTHING,
    max_size=3,
)
DOCUMENTS = st.dictionaries(
    st.sampled_from(["publisher", "subscriber"]),
    st.dictionaries(st.sampled_from(["audio", "video"]), TRACKS) | ANYTHING,
)


@given(DOCUMENTS | ANYTHING)
def test_any_document_gives_sound_windows(body: object) -> None:
    """Nothing raises; what comes out is ordered, finite, within range and never longer than the vendor's arrays."""
    parsed = parse_peer_stats(json.dumps(body).encode(), a_session(), PeerFacts(peer_id="p"))
    if isinstance(parsed, RejectedDocument):
        return
    seen = set()
    for stream in parsed.peers[0].streams:
        key = (stream.direction, stream.kind, stream.track_type, stream.rid)
        assert key not in seen
        seen.add(key)
        assert stream.tracks
        for track in stream.tracks:
            ends = [window.end for window in track.windows]
            assert ends
            assert ends == sorted(set(ends))
            for window in track.windows:
                assert 0 < window.end <= 1e11
                assert 0 < window.seconds <= 1e11
                for value in (
                    window.throughput_bytes_per_second,
                    window.jitter_seconds,
                    window.round_trip_time_seconds,
                    window.frames_per_second,
                    window.freezes,
                    window.concealed_samples,
                ):
                    assert value is None or 0 <= value <= 1e15
                assert window.packet_loss_ratio is None or 0 <= window.packet_loss_ratio <= 1


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 100)), max_size=12), st.randoms())
def test_order_of_arrival_does_not_matter(samples: list[tuple[int, int]], chance: Any) -> None:  # noqa: ANN401 - hypothesis types it as Random
    """Distinct samples give the same windows in any order, and duplicates are exactly those left out."""
    distinct = list({moment: (moment, loss) for moment, loss in samples}.values())
    shuffled = list(distinct)
    chance.shuffle(shuffled)

    def read(pairs: list[tuple[int, int]]) -> tuple[tuple[Window, ...], dict[str, int]]:
        stamps = [moment * 1000 for moment, _ in pairs]
        return parse_series(timestamps=stamps, packet_loss_percent=[loss for _, loss in pairs])

    assert read(shuffled) == read(sorted(distinct))
    windows, rejected = read(samples)
    assert len(windows) == len(distinct)
    assert sum(rejected.values()) == len(samples) - len(distinct)
