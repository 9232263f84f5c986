"""The estimated mean opinion score of a peer's audio, for vendors that give none and beside those that do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.quality.arithmetic import mean, weighted_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.quality.assessment import StreamAssessment


def estimated_mos(
    packet_loss_ratio: float,
    round_trip_time_seconds: float,
    jitter_seconds: float,
    loss_impairment_per_percent: float = 2.5,
) -> float:
    """Estimates what listeners would say, 1 to 4.5: the E-model (ITU-T G.107) in its usual short form for packet audio.

    Effective delay in ms = RTT / 2 + 2 x jitter + 10. From R0 = 93.2 it takes delay / 40 below 160 ms and
    (delay - 120) / 10 from there, and `loss_impairment_per_percent` for each per cent of loss; G.107 annex B turns the
    clamped R into a score. It never rises with loss, delay or jitter.
    """
    delay = round_trip_time_seconds * 500 + jitter_seconds * 2000 + 10
    delay_impairment = delay / 40 if delay < 160 else (delay - 120) / 10  # noqa: PLR2004 - the model's own number
    loss_impairment = packet_loss_ratio * 100 * loss_impairment_per_percent
    # Rounded because the polynomial's own rounding errors would let the score rise between neighbouring floats.
    r = round(min(max(93.2 - delay_impairment - loss_impairment, 0.0), 100.0), 12)
    # The polynomial dips below 1 for small R.
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)


def peer_estimated_mos(streams: Sequence[StreamAssessment], loss_impairment_per_percent: float) -> float | None:
    """Estimates a peer's score from the means of its audio streams: that of its worse direction.

    A direction that has loss but lacks round-trip time or jitter borrows the other direction's; None where neither has
    it. Several audio streams of one direction count by their measured time.
    """
    send, recv = _Audio(streams, "send"), _Audio(streams, "recv")
    scores = []
    for own, other in ((send, recv), (recv, send)):
        delay = other.round_trip_time if own.round_trip_time is None else own.round_trip_time
        jitter = other.jitter if own.jitter is None else own.jitter
        if own.packet_loss is not None and delay is not None and jitter is not None:
            scores.append(estimated_mos(own.packet_loss, delay, jitter, loss_impairment_per_percent))
    return min(scores, default=None)


class _Audio:
    """The means of a peer's audio in one direction."""

    def __init__(self, streams: Sequence[StreamAssessment], direction: str) -> None:
        audio = [stream for stream in streams if stream.kind == "audio" and stream.direction == direction]
        self.packet_loss = _mean([(s.packet_loss_ratio, s.measured.packet_loss) for s in audio])
        self.jitter = _mean([(s.jitter_seconds, s.measured.jitter) for s in audio])
        self.round_trip_time = _mean([(s.round_trip_time_seconds, s.measured.round_trip_time) for s in audio])


def _mean(values: Sequence[tuple[float | None, float]]) -> float | None:
    there = [(value, seconds) for value, seconds in values if value is not None]
    weighted = weighted_mean(there)
    # A summary of a stay of unknown length has no weight, but a value all the same.
    return mean([value for value, _ in there]) if weighted is None else weighted
