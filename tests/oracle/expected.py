"""From raw vendor documents to what `/metrics` must finally show, family by family."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from tests.oracle.documents import Peer, Session, read_hundredms, read_watchrtc
from tests.oracle.families import HISTOGRAMS, REPORT_LAG
from tests.oracle.streams import Stream, means, measured_seconds, percentile_95, weighted_mean
from tests.oracle.verdicts import Assessment, assess_summary, assess_time_series, estimated_mos, room_verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from tests.oracle.numbers import Json

#: Labels without the empty ones, in no order.
Labels: TypeAlias = frozenset[tuple[str, str]]
#: A family's name and the labels of one series.
Series: TypeAlias = tuple[str, Labels]

#: A version of a peer's stay, what its verdicts come down to, and its estimated MOS.
_Judged: TypeAlias = tuple[Peer, Assessment, Fraction | None]

#: A metric of `means` and the end of its family's name, for rooms and peers alike.
_MEDIA = {
    "throughput": "throughput_bytes_per_second",
    "packet_loss": "packet_loss_ratio",
    "jitter": "jitter_seconds",
    "round_trip_time": "round_trip_time_seconds",
    "frame_rate": "frames_per_second",
}
#: The same for what only peers have.
_PEER_MEDIA = {"freezes": "freezes", "concealed": "concealed_samples", "concealment": "concealment_ratio"}
_PERCENTILES = {
    "packet_loss": "webrtc_peer_packet_loss_p95_ratio",
    "jitter": "webrtc_peer_jitter_p95_seconds",
    "round_trip_time": "webrtc_peer_round_trip_time_p95_seconds",
}
#: The vendor's values of a room or peer.
_VALUES = {
    "mos": "mos",
    "media_score": "media_score",
    "user_rating": "user_rating",
    "call_setup": "call_setup_seconds",
}
_STREAM_VALUES = {"mos": "webrtc_peer_stream_mos", "media_score": "webrtc_peer_stream_media_score"}
_PER_STREAM = ("packet_loss", "jitter", "round_trip_time")


@dataclass(frozen=True)
class Histogram:
    """One series of a histogram. A sum of None is not known: it depends on the clock, and so do the finite buckets."""

    #: Cumulative counts by upper bound, infinity included.
    buckets: dict[float, int]
    sum: float | None
    count: int


@dataclass
class Expected:
    """What `/metrics` must show once everything is ingested and every hold has passed."""

    gauges: dict[Series, float] = field(default_factory=dict)
    counters: dict[Series, float] = field(default_factory=dict)
    histograms: dict[Series, Histogram] = field(default_factory=dict)
    #: By (source, reason).
    rejected_samples: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass
class _Ledger:
    """Exact values on their way to an Expected."""

    histogram_rooms: bool
    gauges: dict[Series, Fraction] = field(default_factory=dict)
    counters: dict[Series, Fraction] = field(default_factory=dict)
    observations: dict[Series, list[Fraction]] = field(default_factory=dict)
    lags: dict[str, int] = field(default_factory=dict)
    rejected_samples: dict[tuple[str, str], int] = field(default_factory=dict)

    def gauge(self, family: str, labels: Mapping[str, str], value: Fraction | int | None) -> None:
        if value is not None:
            self.gauges[family, _labels(labels)] = Fraction(value)

    def _counted(self, session: Session, labels: Mapping[str, str]) -> Labels:
        room = {"room_id": session.room_id} if self.histogram_rooms else {}
        return _labels({"source": session.source, **room, **labels})

    def count(self, family: str, session: Session, labels: Mapping[str, str], value: Fraction | int) -> None:
        series = family, self._counted(session, labels)
        self.counters[series] = self.counters.get(series, Fraction(0)) + value

    def observe(self, family: str, session: Session, labels: Mapping[str, str], value: Fraction | None) -> None:
        if value is not None:
            self.observations.setdefault((family, self._counted(session, labels)), []).append(value)


def _labels(labels: Mapping[str, str]) -> Labels:
    return frozenset((name, value) for name, value in labels.items() if value)


def expected(
    hundredms: Mapping[str, tuple[Sequence[Json], Mapping[tuple[str, str], Json]]],
    watchrtc: Mapping[str, tuple[Sequence[Json], Sequence[str]]],
    exclude_roles: Collection[str] = ("__internal_recorder",),
    *,
    hundredms_rooms: Mapping[str, tuple[str, str]] | None = None,
    histogram_rooms: bool = True,
) -> Expected:
    """Computes what `/metrics` must show.

    Args:
        hundredms: Per source the session rows as `GET /v2/sessions` gives them in `data`, and the peer-stats documents
            by (session id, peer id): `Versions` where they have grown, None or no entry where the vendor never had any.
        watchrtc: Per source the rooms of all files in the order of reading, and `keys_as_labels`.
        exclude_roles: Roles of 100ms peers that are left out everywhere.
        hundredms_rooms: Name and template of 100ms rooms by room id, where the room resource gives them.
        histogram_rooms: As `metrics.histogram_rooms`.
    """
    ledger = _Ledger(histogram_rooms)
    for source, (rows, documents) in hundredms.items():
        for session in read_hundredms(source, rows, documents, exclude_roles, hundredms_rooms or {}):
            _add_session(ledger, session)
    for source, (rooms, keys) in watchrtc.items():
        for session in read_watchrtc(source, rooms, keys):
            _add_session(ledger, session)
    return _finish(ledger)


def _add_session(ledger: _Ledger, session: Session) -> None:
    for reason, count in session.rejections.items():
        if count:
            key = session.source, reason
            ledger.rejected_samples[key] = ledger.rejected_samples.get(key, 0) + count
    shown: dict[str, _Judged] = {}
    for peer in session.peers:
        versions = [_judge(version) for version in (*peer.earlier, peer)]
        _, assessment, mos = versions[-1]
        _count_stay(ledger, session, versions)
        # A peer that stands twice is one: the longer stay gives the gauges.
        known = shown.get(peer.peer_id)
        if known is None or _goes_before(peer, known[0]):
            shown[peer.peer_id] = peer, assessment, mos
    for peer, assessment, mos in shown.values():
        _add_peer_gauges(ledger, session, peer, assessment, mos)
    _add_room_gauges(ledger, session, list(shown.values()))
    ledger.count("webrtc_sessions_total", session, {}, 1)
    if session.end is not None:
        ledger.lags[session.source] = ledger.lags.get(session.source, 0) + 1


def _goes_before(one: Peer, other: Peer) -> bool:
    """Whether a stay is the longer one; of equally long ones, the one that is known to have begun first."""
    lengths = [Fraction(-1) if peer.duration is None else peer.duration for peer in (one, other)]
    if lengths[0] != lengths[1]:
        return lengths[0] > lengths[1]
    return one.start is not None and (other.start is None or one.start < other.start)


def _judge(peer: Peer) -> _Judged:
    estimated = estimated_mos(peer.streams, peer.duration)
    mos = peer.values.get("mos", estimated)
    if peer.time_series:
        return peer, assess_time_series(peer.streams, mos), estimated
    return peer, assess_summary(peer.streams, peer.duration, mos, peer.values.get("call_setup")), estimated


# -------------------------------------------------------------------------------------------------------- gauges


def _add_peer_gauges(
    ledger: _Ledger, session: Session, peer: Peer, assessment: Assessment, mos: Fraction | None
) -> None:
    identity = {
        "source": session.source,
        "room_id": session.room_id,
        "session_id": session.session_id,
        "peer_id": peer.peer_id,
    }
    ledger.gauge("webrtc_peer_info", identity | peer.attributes, 1)
    _add_times_and_values(ledger, "peer", identity, peer)
    ledger.gauge("webrtc_peer_estimated_mos", identity, mos)
    verdict, reason = assessment.verdict
    ledger.gauge("webrtc_peer_verdict", identity | {"verdict": verdict, "reason": reason}, 1)
    if peer.time_series and assessment.classified_seconds:
        ratio = assessment.poor_seconds / assessment.classified_seconds
        ledger.gauge("webrtc_peer_poor_time_ratio", identity, ratio)
    for stream in peer.streams:
        labels = identity | stream.labels
        found = means(stream)
        for name, ending in (_MEDIA | _PEER_MEDIA).items():
            ledger.gauge(f"webrtc_peer_{ending}", labels, found.get(name))
        for name, family in _PERCENTILES.items():
            ledger.gauge(family, labels, percentile_95(stream, name))
        for name, family in _STREAM_VALUES.items():
            ledger.gauge(family, identity | {"direction": stream.direction, "kind": stream.kind}, found.get(name))


def _add_times_and_values(ledger: _Ledger, scope: str, identity: Mapping[str, str], of: Session | Peer) -> None:
    ledger.gauge(f"webrtc_{scope}_start_timestamp_seconds", identity, of.start)
    ledger.gauge(f"webrtc_{scope}_end_timestamp_seconds", identity, of.end)
    ledger.gauge(f"webrtc_{scope}_duration_seconds", identity, of.duration)
    for name, ending in _VALUES.items():
        ledger.gauge(f"webrtc_{scope}_{ending}", identity, of.values.get(name))


def _add_room_gauges(ledger: _Ledger, session: Session, peers: list[_Judged]) -> None:
    identity = {"source": session.source, "room_id": session.room_id, "session_id": session.session_id}
    about = {"room_name": session.room_name, "url": session.url, "template": session.template}
    ledger.gauge("webrtc_room_info", identity | about, 1)
    _add_times_and_values(ledger, "room", identity, session)
    ledger.gauge("webrtc_room_peers", identity, session.peer_count)
    estimates = [mos for _, _, mos in peers if mos is not None]
    ledger.gauge("webrtc_room_estimated_mos", identity, _plain_mean(estimates))
    verdict, reason = room_verdict([assessment.verdict for _, assessment, _ in peers])
    ledger.gauge("webrtc_room_verdict", identity | {"verdict": verdict, "reason": reason}, 1)
    if session.streams is None:
        _add_computed_room_media(ledger, identity, [peer for peer, _, _ in peers])
        return
    for stream in session.streams:
        for name, ending in _MEDIA.items():
            ledger.gauge(f"webrtc_room_{ending}", identity | stream.labels, means(stream).get(name))


def _add_computed_room_media(ledger: _Ledger, identity: Mapping[str, str], peers: list[Peer]) -> None:
    by_labels: dict[Labels, list[tuple[Stream, Peer]]] = {}
    for peer in peers:
        for stream in peer.streams:
            by_labels.setdefault(_labels(stream.labels), []).append((stream, peer))
    for labels, streams in by_labels.items():
        for name, ending in _MEDIA.items():
            pairs = []
            for stream, peer in streams:
                mean = means(stream).get(name)
                if mean is not None:
                    seconds = measured_seconds(stream, name) if stream.tracks else peer.duration or Fraction(0)
                    pairs.append((mean, seconds))
            value = _plain_mean([mean for mean, _ in pairs]) if name == "throughput" else weighted_mean(pairs)
            ledger.gauge(f"webrtc_room_{ending}", {**identity, **dict(labels)}, value)


def _plain_mean(values: list[Fraction]) -> Fraction | None:
    return sum(values, Fraction(0)) / len(values) if values else None


# --------------------------------------------------------------------------------------- counters and histograms


def _count_stay(ledger: _Ledger, session: Session, versions: list[_Judged]) -> None:
    """Counts a stay: what grows as far as it has grown, all else as it was first told."""
    _count_once(ledger, session, *versions[0])
    grown: list[_Ledger] = []
    for peer, assessment, _ in versions:
        grown.append(_Ledger(ledger.histogram_rooms))
        _count_growing(grown[-1], session, peer, assessment)
    for series in dict.fromkeys(series for each in grown for series in each.counters):
        # No counter falls: time that has moved to another verdict stays where it was counted, too.
        most = max(each.counters.get(series, Fraction(0)) for each in grown)
        ledger.counters[series] = ledger.counters.get(series, Fraction(0)) + most
    for series in dict.fromkeys(series for each in grown for series in each.observations):
        # Samples are only ever added, so that the version with the most of them has those of the others.
        most_samples = max((each.observations.get(series, []) for each in grown), key=len)
        ledger.observations.setdefault(series, []).extend(most_samples)


def _count_once(ledger: _Ledger, session: Session, peer: Peer, assessment: Assessment, mos: Fraction | None) -> None:
    verdict, reason = assessment.verdict
    ledger.count("webrtc_peer_sessions_total", session, {"verdict": verdict, "reason": reason}, 1)
    for name, value in (
        ("mos", peer.values.get("mos")),
        ("estimated_mos", mos),
        ("media_score", peer.values.get("media_score")),
        ("call_setup_seconds", peer.values.get("call_setup")),
        ("duration_seconds", peer.duration),
    ):
        ledger.observe(f"webrtc_peer_session_{name}", session, {}, value)
    for stream in peer.streams:
        labels = {"direction": stream.direction, "kind": stream.kind}
        for name in _PER_STREAM:
            ledger.observe(f"webrtc_peer_session_{_MEDIA[name]}", session, labels, means(stream).get(name))


def _count_growing(ledger: _Ledger, session: Session, peer: Peer, assessment: Assessment) -> None:
    for (direction, kind, of_time), seconds in assessment.media_seconds.items():
        labels = {"direction": direction, "kind": kind, "verdict": of_time}
        ledger.count("webrtc_media_seconds_total", session, labels, seconds)
    for stream in peer.streams:
        labels = {"direction": stream.direction, "kind": stream.kind}
        for window in (window for track in stream.tracks for window in track):
            for name, ending in _MEDIA.items():
                ledger.observe(f"webrtc_sample_{ending}", session, labels, window.get(name))
            ledger.count("webrtc_freezes_total", session, {}, window.get("freezes", 0))
            ledger.count("webrtc_concealed_samples_total", session, {}, window.get("concealed", 0))


def _histogram(bounds: Iterable[Fraction], values: list[Fraction]) -> Histogram:
    buckets = {float(bound): sum(value <= bound for value in values) for bound in bounds}
    return Histogram(buckets | {float("inf"): len(values)}, float(sum(values, Fraction(0))), len(values))


def _finish(ledger: _Ledger) -> Expected:
    result = Expected(rejected_samples=ledger.rejected_samples)
    result.gauges = {series: float(value) for series, value in ledger.gauges.items()}
    # A series of zeros need not be there: nothing happened yet that it could tell.
    result.counters = {series: float(value) for series, value in ledger.counters.items() if value}
    result.histograms = {
        (family, labels): _histogram(HISTOGRAMS[family], values)
        for (family, labels), values in ledger.observations.items()
    }
    for source, count in ledger.lags.items():
        result.histograms[REPORT_LAG, _labels({"source": source})] = Histogram({float("inf"): count}, None, count)
    return result
