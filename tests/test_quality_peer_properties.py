"""What holds for every peer, whatever its streams."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Attributes, Peer, Track, Window
from exporter.quality import REASONS, PeerAssessment, assess_peer
from tests.quality_examples import DEFAULTS, MEASURED_PEERS, PEERS, RANK, SUMMED_UP_PEERS, verdict


class TestPeerAsAWhole:
    """What holds for every peer."""

    def test_passes_on(self) -> None:
        """The vendor's values and attributes are passed on."""
        peer = Peer(
            peer_id="p",
            stay="2",
            start=100.0,
            duration_seconds=50.0,
            attributes=Attributes(os="Linux"),
            mos=4.0,
            media_score=7.0,
            user_rating=5.0,
            call_setup_seconds=0.5,
        )
        assert assess_peer(peer, DEFAULTS) == PeerAssessment(
            peer_id="p",
            stay="2",
            start=100.0,
            end=150.0,
            duration_seconds=50.0,
            attributes=Attributes(os="Linux"),
            mos=4.0,
            media_score=7.0,
            user_rating=5.0,
            call_setup_seconds=0.5,
            verdict="good",
        )

    @pytest.mark.parametrize(
        ("start", "end", "duration", "shown"),
        [
            (100.0, 160.0, None, (160.0, 60.0)),
            (100.0, 160.0, 40.0, (160.0, 40.0)),
            (100.0, None, 40.0, (140.0, 40.0)),
            (None, None, 40.0, (None, 40.0)),
            (None, 160.0, None, (160.0, None)),
            (100.0, None, None, (None, None)),
            (160.0, 100.0, None, (100.0, None)),
            (-1e308, 1e308, None, (1e308, None)),
            (1e308, None, 1e308, (None, 1e308)),
        ],
    )
    def test_stay(
        self,
        start: float | None,
        end: float | None,
        duration: float | None,
        shown: tuple[float | None, float | None],
    ) -> None:
        """End and duration are as given, else follow from the others; an end before the start tells no duration."""
        assessed = assess_peer(Peer(peer_id="p", start=start, end=end, duration_seconds=duration), DEFAULTS)
        assert (assessed.end, assessed.duration_seconds) == shown

    @given(PEERS, st.randoms(use_true_random=False))
    def test_order_does_not_matter(self, peer: Peer, random: Any) -> None:  # noqa: ANN401 - hypothesis' own Random
        """Neither the order of the streams nor of their tracks changes anything, to the last bit."""
        streams = [
            msgspec.structs.replace(stream, tracks=tuple(random.sample(stream.tracks, len(stream.tracks))))
            for stream in random.sample(peer.streams, len(peer.streams))
        ]
        assert assess_peer(msgspec.structs.replace(peer, streams=tuple(streams)), DEFAULTS) == assess_peer(
            peer, DEFAULTS
        )

    @given(PEERS)
    def test_reason_belongs_to_verdict(self, peer: Peer) -> None:
        """Fair and poor have a reason from the list, good and unclassified have none."""
        assessed = assess_peer(peer, DEFAULTS)
        for found, reason in [verdict(assessed), *map(verdict, assessed.streams)]:
            assert found in {"good", "fair", "poor", "unclassified"}
            assert reason in (REASONS if found in {"fair", "poor"} else [""])

    @given(MEASURED_PEERS, st.floats(0, 60))
    def test_muted_track_changes_no_verdict(self, peer: Peer, frames: float) -> None:
        """A muted track beside another, sampled with it, leaves every verdict as it is."""
        streams = [
            msgspec.structs.replace(
                stream, tracks=(*stream.tracks, *(_muted(one, frames) for one in stream.tracks[:1]))
            )
            for stream in peer.streams
        ]
        beside = msgspec.structs.replace(peer, streams=tuple(streams))
        before, after = assess_peer(peer, DEFAULTS), assess_peer(beside, DEFAULTS)
        assert verdict(after) == verdict(before)
        assert [(verdict(stream), stream.seconds) for stream in after.streams] == [
            (verdict(stream), stream.seconds) for stream in before.streams
        ]

    @given(MEASURED_PEERS, st.floats(0, 1), st.data())
    def test_never_improves(self, peer: Peer, more: float, data: st.DataObject) -> None:
        """More loss in one window never makes a peer's verdict better."""
        places = [
            (i, j, k)
            for i, stream in enumerate(peer.streams)
            for j, track in enumerate(stream.tracks)
            for k, window in enumerate(track.windows)
            if window.packet_loss_ratio is not None
        ]
        if not places:
            return
        i, j, k = data.draw(st.sampled_from(places))
        stream, track = peer.streams[i], peer.streams[i].tracks[j]
        lossy = msgspec.structs.replace(
            track.windows[k], packet_loss_ratio=min(1.0, (track.windows[k].packet_loss_ratio or 0.0) + more)
        )
        worse = msgspec.structs.replace(
            peer,
            streams=_with(
                peer.streams,
                i,
                msgspec.structs.replace(
                    stream,
                    tracks=_with(
                        stream.tracks, j, msgspec.structs.replace(track, windows=_with(track.windows, k, lossy))
                    ),
                ),
            ),
        )
        before, after = assess_peer(peer, DEFAULTS), assess_peer(worse, DEFAULTS)
        assert RANK.get(after.verdict, -1) >= RANK.get(before.verdict, -1)

    @given(SUMMED_UP_PEERS, st.floats(1, 5))
    def test_never_improves_with_mos(self, peer: Peer, mos: float) -> None:
        """A lower MOS never makes a peer's verdict better."""
        before = msgspec.structs.replace(peer, mos=max(mos, 3.3))
        after = msgspec.structs.replace(peer, mos=min(mos, 3.3))
        ranks = [RANK.get(assess_peer(each, DEFAULTS).verdict, -1) for each in (before, after)]
        assert ranks == sorted(ranks)


def _muted(track: Track, frames: float) -> Track:
    """A track at the same times through which nothing flows."""
    silent = [
        Window(end=window.end, seconds=window.seconds, throughput_bytes_per_second=0.0, frames_per_second=frames)
        for window in track.windows
    ]
    return Track(track_id="muted", windows=tuple(silent))


def _with(values: tuple[Any, ...], index: int, value: object) -> tuple[Any, ...]:
    return (*values[:index], value, *values[index + 1 :])
