"""What the links of a meeting do to its media: every track of everybody, tick by tick.

The relations are those of a call through a media server. Loss on a sender's uplink shows in what the sender hears back
(loss, jitter, round-trip time) and, as far as retransmission does not mend it, as gaps at every receiver of that
sender. Loss and lack of room on a downlink show at that receiver only. Packets that come later than the jitter buffer
waits are made up. A sender with little room drops its upper simulcast layers; a receiver with little room gets a lower
layer, then fewer frames.
"""

from __future__ import annotations

from itertools import chain
from math import ceil, exp, floor, hypot
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from exporter.demo.truth import TICK, Participant, Recording, TrackTicks, dice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.demo.truth import Link, Meeting, Source, Span

AUDIO_BITS_PER_SECOND: Final = 32_000.0
AUDIO_SAMPLES_PER_SECOND: Final = 48_000.0
CAMERA_FRAMES_PER_SECOND: Final = 30.0
SCREEN_FRAMES_PER_SECOND: Final = 8.0
SCREEN_BITS_PER_SECOND: Final = 450_000.0
SINGLE_LAYER_BITS_PER_SECOND: Final = 1_500_000.0
#: Targets of the simulcast layers in bit/s, in the order in which room is given to them.
LAYERS: Final = (("l", 120_000.0), ("m", 400_000.0), ("h", 1_200_000.0))

#: With more cameras than this the best layer of each is sent only while its owner is in the spotlight.
_GALLERY: Final = 4
_SPOTLIGHT_TICKS: Final = 18
#: A layer is not sent at all with less than this part of its target.
_LEAST_OF_TARGET: Final = 0.5
_LEAST_BITS_PER_SECOND: Final = 30_000.0
#: The part of the uplink's loss that retransmission does not mend on the way to the receivers.
_UNMENDED: Final = 0.4
#: How long the jitter buffer waits before it makes audio up.
_JITTER_BUFFER_SECONDS: Final = 0.03
#: How much of the audio that is lost would have been heard; silence that is made up is not counted.
_HEARD: Final = 0.8
#: The loss that video repair hides, and freezes a minute for each ratio of loss beyond it and of missing room.
_REPAIRED: Final = 0.012
_FREEZES_PER_LOSS: Final = 13.0
_FREEZES_PER_SHORTAGE: Final = 3.0


class _Path(Struct, frozen=True):
    """One direction of a participant's network, tick by tick over the stay."""

    capacity: list[float]
    loss: list[float]
    jitter: list[float]
    delay: list[float]


class _Stay(Struct, frozen=True):
    """A participant in a meeting, with the first tick of the stay and the tick after its last."""

    number: int
    person: Participant
    first: int
    end: int
    up: _Path
    down: _Path


def record(meeting: Meeting) -> Recording:
    """Plays a meeting: what everybody sends, and what everybody receives of everybody else."""
    stays = tuple(_stay(number, person) for number, person in enumerate(meeting.participants))
    cameras = sum(stay.person.camera for stay in stays)
    sent = [_sent(stay, cameras) for stay in stays]
    pictures = [len({track.source for track in tracks if track.kind == "video"}) for tracks in sent]
    senders = [stay for stay in stays if sent[stay.number]]
    tracks = []
    for stay in stays:
        incoming = sum(pictures) - pictures[stay.number]
        received = (_received(stay, owner, sent[owner.number], incoming) for owner in senders if owner is not stay)
        tracks.append((*sent[stay.number], *chain.from_iterable(received)))
    return Recording(meeting=meeting, tracks=tuple(tracks))


def _stay(number: int, person: Participant) -> _Stay:
    first = ceil(person.joined / TICK)
    # Someone whose media never flowed has no ticks at all.
    end = max(first, floor(person.left / TICK)) if person.connected else first
    up = _path(person, first, end, "uplink", lambda tick: _link(person, tick, uplink=True))
    down = _path(person, first, end, "downlink", lambda tick: _link(person, tick, uplink=False))
    return _Stay(number, person, first, end, up, down)


def _link(person: Participant, tick: int, *, uplink: bool) -> Link:
    for episode in person.episodes:
        instead = episode.uplink if uplink else episode.downlink
        if instead is not None and _within(tick, (episode.span,)):
            return instead
    return person.uplink if uplink else person.downlink


def _path(person: Participant, first: int, end: int, name: str, link_at: Callable[[int], Link]) -> _Path:
    """Swings around the link's means: loss, jitter and delay rise and fall together, as queues do."""
    rng = dice(person.noise, name)
    path = _Path([], [], [], [])
    swing = 0.0
    for tick in range(first, end):
        link = link_at(tick)
        swing = 0.7 * swing + rng.gauss(0.0, 0.3)
        path.capacity.append(link.capacity_bits_per_second * exp(-0.2 * swing))
        path.loss.append(min(0.9, link.loss_ratio * exp(swing)))
        path.jitter.append(link.jitter_seconds * exp(0.4 * swing))
        path.delay.append(link.delay_seconds * exp(0.2 * swing))
    return path


def _within(tick: int, spans: Sequence[Span]) -> bool:
    middle = (tick + 0.5) * TICK
    return any(begin <= middle < end for begin, end in spans)


def _sent(stay: _Stay, cameras: int) -> tuple[TrackTicks, ...]:
    if stay.first == stay.end:
        return ()
    rng = dice(stay.person.noise, "sent")
    rates: dict[tuple[Source, str], list[float]] = {}
    if stay.person.microphone:
        rates["microphone", ""] = [
            0.0 if _within(tick, stay.person.muted) else AUDIO_BITS_PER_SECOND * rng.uniform(0.9, 1.1)
            for tick in range(stay.first, stay.end)
        ]
    rates |= _camera_rates(stay, cameras)
    tracks = [_sent_track(stay, source, rid, stay.first, column) for (source, rid), column in rates.items()]
    for begin, end in stay.person.screen:
        first, last = max(stay.first, ceil(begin / TICK)), min(stay.end, floor(end / TICK))
        column = [SCREEN_BITS_PER_SECOND * rng.uniform(0.4, 1.6) for _ in range(first, last)]
        tracks.append(_sent_track(stay, "screen", "", first, column))
    return tuple(tracks)


def _camera_rates(stay: _Stay, cameras: int) -> dict[tuple[Source, str], list[float]]:
    """Shares the uplink among the layers of the camera, the lowest first."""
    person = stay.person
    if not person.camera:
        return {}
    rng = dice(person.noise, "camera")
    layers = LAYERS if person.simulcast else (("", SINGLE_LAYER_BITS_PER_SECOND),)
    rates: dict[tuple[Source, str], list[float]] = {("camera", rid): [] for rid, _ in layers}
    for tick in range(stay.first, stay.end):
        place = tick - stay.first
        room = stay.up.capacity[place] * (1.0 - min(0.5, 2.0 * stay.up.loss[place])) - AUDIO_BITS_PER_SECOND
        if _within(tick, person.screen):
            room -= SCREEN_BITS_PER_SECOND
        off = _within(tick, person.camera_off)
        seen = cameras <= _GALLERY or (tick // _SPOTLIGHT_TICKS) % cameras == stay.number % cameras
        for rid, target in layers:
            wanted = target * rng.uniform(0.92, 1.08)
            # A single layer has none below it to fall back to: it shrinks instead.
            starved = rid != "" and room < _LEAST_OF_TARGET * target
            paused = off or starved or (rid == "h" and not seen)
            rate = 0.0 if paused else max(_LEAST_BITS_PER_SECOND, min(wanted, room))
            room -= rate
            rates["camera", rid].append(rate)
    return rates


def _sent_track(stay: _Stay, source: Source, rid: str, first: int, rates: list[float]) -> TrackTicks:
    """What the sender hears back about one of its tracks; of a paused one it hears of no loss."""
    places = range(first - stay.first, first - stay.first + len(rates))
    rng = dice(stay.person.noise, "sent", source, rid)
    target = dict(LAYERS).get(rid, SINGLE_LAYER_BITS_PER_SECOND)
    frames: tuple[float, ...] = ()
    if source == "camera":
        frames = tuple(
            CAMERA_FRAMES_PER_SECOND * min(1.0, 1.25 * rate / target) * rng.uniform(0.97, 1.0) for rate in rates
        )
    elif source == "screen":
        frames = tuple(SCREEN_FRAMES_PER_SECOND * rng.uniform(0.94, 1.06) for _ in rates)
    return TrackTicks(
        direction="send",
        kind="audio" if source == "microphone" else "video",
        source=source,
        owner=stay.number,
        rid=rid,
        first=first,
        bits_per_second=tuple(rates),
        loss_ratio=tuple(
            stay.up.loss[place] * rng.uniform(0.85, 1.15) if rate else 0.0
            for place, rate in zip(places, rates, strict=True)
        ),
        jitter_seconds=tuple(stay.up.jitter[place] for place in places),
        round_trip_time_seconds=tuple(stay.up.delay[place] + stay.down.delay[place] for place in places),
        frames_per_second=frames,
    )


def _received(stay: _Stay, owner: _Stay, tracks: tuple[TrackTicks, ...], incoming: int) -> list[TrackTicks]:
    """What one participant receives of another's tracks while both are there, of so many incoming pictures."""
    received = [_received_audio(stay, owner, track) for track in tracks if track.source == "microphone"]
    layers = [track for track in tracks if track.source == "camera"]
    if layers:
        received.append(_received_video(stay, owner, layers, incoming))
    received += [_received_video(stay, owner, [track], incoming) for track in tracks if track.source == "screen"]
    return [track for track in received if track.bits_per_second]


def _common(stay: _Stay, track: TrackTicks) -> range:
    return range(max(stay.first, track.first), min(stay.end, track.first + len(track.bits_per_second)))


def _arrival(stay: _Stay, owner: _Stay, tick: int) -> tuple[float, float]:
    """Loss and jitter of what comes from `owner`: what is left of the uplink's, and the downlink's own."""
    up, down = tick - owner.first, tick - stay.first
    loss = 1.0 - (1.0 - _UNMENDED * owner.up.loss[up]) * (1.0 - stay.down.loss[down])
    return loss, hypot(0.5 * owner.up.jitter[up], stay.down.jitter[down])


def _received_audio(stay: _Stay, owner: _Stay, track: TrackTicks) -> TrackTicks:
    rng = dice(stay.person.noise, "audio", owner.person.noise)
    ticks = _common(stay, track)
    rates, losses, jitters, concealed = [], [], [], []
    for tick in ticks:
        rate = track.bits_per_second[tick - track.first]
        loss, jitter = _arrival(stay, owner, tick)
        late = max(0.0, jitter - _JITTER_BUFFER_SECONDS) * 1.5
        rates.append(rate * (1.0 - loss))
        losses.append(loss if rate else 0.0)
        jitters.append(jitter)
        made_up = AUDIO_SAMPLES_PER_SECOND * TICK * (_HEARD * loss + late) * rng.uniform(0.7, 1.3)
        concealed.append(round(made_up) if rate else 0)
    return TrackTicks(
        direction="recv",
        kind="audio",
        source=track.source,
        owner=track.owner,
        first=ticks.start,
        bits_per_second=tuple(rates),
        loss_ratio=tuple(losses),
        jitter_seconds=tuple(jitters),
        concealed_samples=tuple(concealed),
    )


def _received_video(stay: _Stay, owner: _Stay, layers: list[TrackTicks], incoming: int) -> TrackTicks:
    rng = dice(stay.person.noise, layers[0].source, owner.person.noise)
    ticks = _common(stay, layers[0])
    rates, losses, jitters, frames, freezes = [], [], [], [], []
    for tick in ticks:
        share = 0.9 * stay.down.capacity[tick - stay.first] / incoming
        loss, jitter = _arrival(stay, owner, tick)
        active = [
            (layer.bits_per_second[place], layer.frames_per_second[place])
            for layer in layers
            if layer.bits_per_second[place := tick - layer.first]
        ]
        fitting = [layer for layer in active if layer[0] <= share] or active[:1]
        offered, offered_frames = max(fitting, default=(0.0, 0.0))
        shortage = 1.0 - min(1.0, share / offered) if offered else 0.0
        expected = _FREEZES_PER_LOSS * max(0.0, loss - _REPAIRED) + _FREEZES_PER_SHORTAGE * shortage
        expected *= TICK / 60.0
        rates.append(min(offered, share) * (1.0 - loss))
        losses.append(loss if offered else 0.0)
        jitters.append(jitter)
        frames.append(offered_frames * max(0.1, 1.0 - 2.0 * loss - shortage) * rng.uniform(0.97, 1.0))
        freezes.append(int(expected + rng.random()) if offered else 0)
    return TrackTicks(
        direction="recv",
        kind="video",
        source=layers[0].source,
        owner=layers[0].owner,
        first=ticks.start,
        bits_per_second=tuple(rates),
        loss_ratio=tuple(losses),
        jitter_seconds=tuple(jitters),
        frames_per_second=tuple(frames),
        freezes=tuple(freezes),
    )
