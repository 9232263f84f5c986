"""Sessions: the vendor's values or those of the peers, and the verdict of a room."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Direction, Peer, SessionSummary, Stream, Summary
from exporter.quality import (
    MeasuredSeconds,
    PeerAssessment,
    Reason,
    RoomAssessment,
    RoomStream,
    StreamAssessment,
    Thresholds,
    Verdict,
    assess_peer,
    assess_room,
    longest_stays,
)
from tests.quality_examples import DEFAULTS, PEERS, session


def judged(peer_id: str, verdict: Verdict, reason: Reason = "") -> PeerAssessment:
    """A peer with this verdict."""
    return PeerAssessment(peer_id=peer_id, verdict=verdict, reason=reason)


def room(*peers: PeerAssessment, thresholds: Thresholds = DEFAULTS, **values: object) -> RoomAssessment:
    """The assessment of a session with these values and peers."""
    return assess_room(session(**values), peers, thresholds)


def heard(peer_id: str, direction: Direction = "send", **values: Any) -> PeerAssessment:  # noqa: ANN401 - any field
    """A peer with one audio stream."""
    return PeerAssessment(peer_id=peer_id, streams=(StreamAssessment(direction=direction, kind="audio", **values),))


def several(verdicts: list[tuple[Verdict, Reason]]) -> RoomAssessment:
    """A room whose peers have these verdicts."""
    return room(*(judged(str(index), *each) for index, each in enumerate(verdicts)))


class TestVerdict:
    """One in five."""

    @pytest.mark.parametrize(
        ("verdicts", "expected"),
        [
            ([], ("unclassified", "")),
            ([("unclassified", "")] * 3, ("unclassified", "")),
            ([("good", "")], ("good", "")),
            ([("good", "")] * 4 + [("poor", "jitter")], ("poor", "jitter")),
            ([("good", "")] * 5 + [("poor", "jitter")], ("good", "")),
            ([("good", "")] * 4 + [("poor", "jitter")] + [("unclassified", "")] * 9, ("poor", "jitter")),
            ([("good", "")] * 4 + [("fair", "mos")], ("fair", "mos")),
            ([("good", "")] * 5 + [("fair", "mos")], ("good", "")),
            # One poor of ten is too few, but with one fair it is one in five; their reasons count alike.
            ([("good", "")] * 8 + [("fair", "freeze"), ("poor", "frame_rate")], ("fair", "frame_rate")),
            ([("fair", "jitter")] * 9 + [("poor", "mos")] * 3, ("poor", "mos")),
            ([("fair", "jitter"), ("fair", "freeze"), ("fair", "freeze")], ("fair", "freeze")),
            ([("poor", "call_setup"), ("poor", "packet_loss")], ("poor", "packet_loss")),
        ],
    )
    def test_one_in_five(self, verdicts: list[tuple[Verdict, Reason]], expected: tuple[str, str]) -> None:
        """The share of the classified peers decides; the most frequent reason among them, of equals the first."""
        assessed = several(verdicts)
        assert (assessed.verdict, assessed.reason) == expected
        assert assessed.peers == len(verdicts)

    def test_share_is_configurable(self) -> None:
        """The share comes from the thresholds."""
        peers = [judged("a", "poor", "jitter"), judged("b", "good"), judged("c", "good")]
        assert room(*peers, thresholds=Thresholds(poor_peer_share=0.5)).verdict == "good"
        assert room(*peers, thresholds=Thresholds(poor_peer_share=1 / 3)).verdict == "poor"


class TestIdentityAndTime:
    """Peers, start, end and duration."""

    def test_vendor_values(self) -> None:
        """What the session says goes first."""
        peer = PeerAssessment(peer_id="a", start=1.0, end=99.0)
        assessed = room(peer, start=10.0, end=20.0, duration_seconds=9.0, peers=7)
        assert (assessed.start, assessed.end, assessed.duration_seconds, assessed.peers) == (10.0, 20.0, 9.0, 7)

    def test_extremes_of_the_peers(self) -> None:
        """Without times of its own a session lasts from the first join to the last leave."""
        peers = [
            PeerAssessment(peer_id="a", start=5.0, end=50.0),
            PeerAssessment(peer_id="b", start=3.0),
            PeerAssessment(peer_id="c", end=60.0),
        ]
        assessed = room(*peers)
        assert (assessed.start, assessed.end, assessed.duration_seconds, assessed.peers) == (3.0, 60.0, 57.0, 3)
        assert room(*peers, start=10.0, duration_seconds=20.0).end == 30.0
        assert room(*peers, start=70.0).duration_seconds is None

    def test_nothing_known(self) -> None:
        """A session of which nothing is known has no times."""
        assert room() == RoomAssessment()

    def test_two_stays_are_one_peer(self) -> None:
        """A peer that is there twice is one peer: the longer stay speaks, but both tell when the session was."""
        short = PeerAssessment(
            peer_id="a", stay="1", start=0.0, end=5.0, duration_seconds=5.0, verdict="poor", reason="mos"
        )
        long = PeerAssessment(
            peer_id="a", stay="2", start=10.0, end=90.0, duration_seconds=80.0, verdict="good", estimated_mos=4.0
        )
        for peers in ((short, long), (long, short)):
            assessed = room(*peers)
            assert (assessed.peers, assessed.verdict, assessed.estimated_mos) == (1, "good", 4.0)
            assert (assessed.start, assessed.end) == (0.0, 90.0)

    def test_which_stay(self) -> None:
        """A known length goes before an unknown one; of equal ones the earlier start, then the first by name."""
        unknown = PeerAssessment(peer_id="a", stay="0", start=1.0)
        late = PeerAssessment(peer_id="a", stay="1", start=9.0, duration_seconds=5.0)
        early = PeerAssessment(peer_id="a", stay="2", start=2.0, duration_seconds=5.0)
        same = PeerAssessment(peer_id="a", stay="3", start=2.0, duration_seconds=5.0)
        other = PeerAssessment(peer_id="0")
        assert longest_stays([unknown, late, same, early, other]) == [other, early]
        assert longest_stays([early, same, late, unknown]) == [early]
        assert longest_stays([unknown, late]) == [late]


class TestMediaValues:
    """The vendor's own, or the peers' means."""

    def test_vendor_values(self) -> None:
        """What the vendor says of the room is shown, whatever its peers say."""
        summary = SessionSummary(
            streams=(
                Stream(direction="send", kind="video", summary=Summary(packet_loss_ratio=0.5, frames_per_second=3.0)),
                Stream(
                    direction="recv",
                    kind="audio",
                    summary=Summary(
                        throughput_bytes_per_second=1.0, jitter_seconds=0.1, round_trip_time_seconds=0.2, mos=2.0
                    ),
                ),
                Stream(direction="send", kind="audio"),
            ),
            mos=4.35,
            media_score=6.0,
            user_rating=5.0,
            call_setup_seconds=0.9,
        )
        peer = msgspec.structs.replace(heard("a", packet_loss_ratio=0.1), estimated_mos=3.0)
        assert room(peer, summary=summary) == RoomAssessment(
            peers=1,
            mos=4.35,
            media_score=6.0,
            user_rating=5.0,
            call_setup_seconds=0.9,
            estimated_mos=3.0,
            streams=(
                RoomStream(
                    direction="recv",
                    kind="audio",
                    throughput_bytes_per_second=1.0,
                    jitter_seconds=0.1,
                    round_trip_time_seconds=0.2,
                ),
                RoomStream(direction="send", kind="video", packet_loss_ratio=0.5, frames_per_second=3.0),
            ),
        )

    def test_nothing_is_mixed(self) -> None:
        """Where the vendor sums up a room, nothing computed stands beside its values."""
        assert room(heard("a", packet_loss_ratio=0.1), summary=SessionSummary(mos=4.0)).streams == ()

    def test_means_over_peers(self) -> None:
        """A peer weighs by the time in which it has the metric; throughput is the plain mean over the peers."""
        first = heard(
            "a",
            throughput_bytes_per_second=1000.0,
            packet_loss_ratio=0.0,
            jitter_seconds=0.01,
            round_trip_time_seconds=0.1,
            frames_per_second=30.0,
            measured=MeasuredSeconds(
                throughput=900.0, packet_loss=30.0, jitter=60.0, round_trip_time=10.0, frames_per_second=1.0
            ),
        )
        second = heard(
            "b",
            throughput_bytes_per_second=3000.0,
            packet_loss_ratio=0.4,
            jitter_seconds=0.04,
            round_trip_time_seconds=0.3,
            frames_per_second=10.0,
            measured=MeasuredSeconds(
                throughput=1.0, packet_loss=10.0, jitter=30.0, round_trip_time=10.0, frames_per_second=3.0
            ),
        )
        silent = heard("c", measured=MeasuredSeconds(throughput=500.0))
        (stream,) = room(first, second, silent).streams
        assert stream.throughput_bytes_per_second == 2000.0
        assert stream.packet_loss_ratio == pytest.approx(0.1)
        assert stream.jitter_seconds == pytest.approx(0.02)
        assert stream.round_trip_time_seconds == pytest.approx(0.2)
        assert stream.frames_per_second == pytest.approx(15.0)

    def test_unknown_time(self) -> None:
        """A peer of which nobody knows how long it stayed has no weight in a mean; alone it makes none."""
        timed = heard("a", packet_loss_ratio=0.3, measured=MeasuredSeconds(packet_loss=5.0))
        untimed = heard("b", packet_loss_ratio=0.1, throughput_bytes_per_second=7.0)
        (both,), (alone,) = room(timed, untimed).streams, room(untimed).streams
        assert (both.packet_loss_ratio, alone.packet_loss_ratio) == (0.3, None)
        assert alone.throughput_bytes_per_second == 7.0

    def test_streams_are_kept_apart(self) -> None:
        """Each direction, kind, track type and layer is a stream of the room, in that order."""
        peer = PeerAssessment(
            peer_id="a",
            streams=(
                StreamAssessment(direction="send", kind="video", track_type="screen", throughput_bytes_per_second=0.1),
                StreamAssessment(direction="send", kind="video", track_type="regular", rid="m"),
                StreamAssessment(direction="send", kind="video", track_type="regular", rid="h"),
                StreamAssessment(direction="send", kind="audio"),
                StreamAssessment(direction="recv", kind="video"),
            ),
        )
        other = PeerAssessment(
            peer_id="b", streams=(StreamAssessment(direction="recv", kind="audio", throughput_bytes_per_second=0.1),)
        )
        streams = room(peer, other).streams
        assert [(s.direction, s.kind, s.track_type, s.rid) for s in streams] == [
            ("recv", "audio", "", ""),
            ("recv", "video", "", ""),
            ("send", "audio", "", ""),
            ("send", "video", "regular", "h"),
            ("send", "video", "regular", "m"),
            ("send", "video", "screen", ""),
        ]
        assert [s.throughput_bytes_per_second for s in streams] == [0.1, None, None, None, None, 0.1]

    def test_estimated_mos(self) -> None:
        """The room's estimated MOS is the mean over its peers that have one."""
        peers = [PeerAssessment(peer_id=str(index), estimated_mos=mos) for index, mos in enumerate([4.0, None, 2.0])]
        assert room(*peers).estimated_mos == 3.0

    @given(st.lists(PEERS, max_size=8).flatmap(lambda peers: st.tuples(st.just(peers), st.permutations(peers))))
    def test_order_of_peers(self, both: tuple[list[Peer], list[Peer]]) -> None:
        """A room does not depend on the order in which its peers arrive, to the last bit."""
        first, second = (
            room(*(msgspec.structs.replace(assess_peer(peer, DEFAULTS), stay=repr(peer)) for peer in peers))
            for peers in both
        )
        assert first == second
