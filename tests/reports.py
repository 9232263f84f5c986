"""Reports made by hand for the tests of what comes after the sources."""

from __future__ import annotations

from exporter.model import (
    Attributes,
    Peer,
    Report,
    Session,
    SessionKey,
    SessionSummary,
    Stream,
    Summary,
    Track,
    Window,
)

#: A round moment to count from: 2026-03-01T10:00:00Z.
START = 1_772_359_200.0


def key(session_id: str = "s1", room_id: str = "standup", source: str = "prod") -> SessionKey:
    """The identity of a session."""
    return SessionKey(source, room_id, session_id)


def audio(losses: list[float | None], step: float = 10.0, start: float = START) -> Stream:
    """Sent audio with one track, one window of `step` seconds a loss, 20 ms of jitter less than fair, 100 ms RTT."""
    windows = tuple(
        Window(
            end=start + step * (index + 1),
            seconds=step,
            throughput_bytes_per_second=4000.0,
            packet_loss_ratio=loss,
            jitter_seconds=0.004,
            round_trip_time_seconds=0.1,
        )
        for index, loss in enumerate(losses)
    )
    return Stream(direction="send", kind="audio", tracks=(Track(track_id="t", windows=windows),))


def peer(peer_id: str = "p1", *streams: Stream, stay: str = "", seconds: float = 60.0, role: str = "") -> Peer:
    """A peer that was there from the start for `seconds`."""
    return Peer(
        peer_id=peer_id,
        stay=stay,
        start=START,
        end=START + seconds,
        duration_seconds=seconds,
        attributes=Attributes(role=role),
        streams=streams,
    )


def report(*peers: Peer, of: SessionKey | None = None, end: float = START + 60.0) -> Report:
    """A report as 100ms gives it: no summary of the session."""
    session = Session(key=of or key(), start=START, end=end, duration_seconds=end - START, peers=len(peers))
    return Report(session=session, peers=peers)


def summarised(loss: float, *, mos: float | None = 4.2, of: SessionKey | None = None) -> Report:
    """A report as watchRTC gives it: one peer of a minute, summaries of peer and session."""
    stream = Stream(direction="recv", kind="audio", summary=Summary(packet_loss_ratio=loss, mos=mos))
    return Report(
        session=Session(
            key=of or key(source="watch"),
            start=START,
            end=START + 60.0,
            duration_seconds=60.0,
            peers=1,
            url="https://vendor.example/room/s1",
            summary=SessionSummary(streams=(stream,), mos=mos),
        ),
        peers=(
            Peer(
                peer_id="w1",
                start=START,
                end=START + 60.0,
                duration_seconds=60.0,
                streams=(stream,),
                mos=mos,
                call_setup_seconds=0.3,
            ),
        ),
    )
