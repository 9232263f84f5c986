"""The kinds of meetings that the simulation knows: what goes wrong in each, and for whom.

Every scenario starts from ordinary people with good links, a few of them fair, and changes one thing that people know.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from types import MappingProxyType
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from exporter.demo.people import DESKTOPS, NAMES, PHONES, PLACES, PLANS, SERVER, TENANTS
from exporter.demo.truth import Episode, KeyValue, Link, Participant, Span

#: The role that 100ms gives to its own recorder, which joins as a peer.
RECORDER_ROLE: Final = "__internal_recorder"

Change: TypeAlias = Callable[[Random, list[Participant], float], list[Participant]]


class Scenario(Struct, frozen=True, kw_only=True):
    """One kind of meeting."""

    #: What a person should see, in one line.
    about: str
    people: int
    #: With fewer it would not be what its name says.
    least: int = 2
    minutes: float
    #: Makes the scenario of ordinary people; gets the length in seconds too.
    change: Change
    #: Whether anybody has a camera on.
    video: bool = True
    #: Nobody is fair by chance, so that the one who is changed stands out.
    calm: bool = False


FAST: Final = Link(capacity_bits_per_second=20e6, loss_ratio=0.0, jitter_seconds=0.002, delay_seconds=0.01)

#: Links that are usable and no more, of which a few people have one.
_FAIR_LINKS: Final = (
    Link(capacity_bits_per_second=3e6, loss_ratio=0.016, jitter_seconds=0.011, delay_seconds=0.04),
    Link(capacity_bits_per_second=3e6, loss_ratio=0.004, jitter_seconds=0.023, delay_seconds=0.05),
    Link(capacity_bits_per_second=4e6, loss_ratio=0.003, jitter_seconds=0.009, delay_seconds=0.24),
)
_FAIR_SHARE: Final = 0.12
_MUTED_SHARE: Final = 0.4
_CAMERA_OFF_SHARE: Final = 0.2
_RATED_SHARE: Final = 0.4


def _good_link(rng: Random, capacity: float) -> Link:
    return Link(
        capacity_bits_per_second=capacity,
        loss_ratio=rng.uniform(0.0, 0.003),
        jitter_seconds=rng.uniform(0.002, 0.009),
        delay_seconds=rng.uniform(0.012, 0.045),
    )


def _spans(rng: Random, seconds: float, share: float) -> tuple[Span, ...]:
    """One or two times in the stay, for the given share of people; none for the others."""
    if rng.random() >= share:
        return ()
    places = (rng.uniform(0.05, 0.4), rng.uniform(0.5, 0.85))[: rng.randint(1, 2)]
    return tuple((seconds * place, seconds * (place + rng.uniform(0.03, 0.15))) for place in places)


def _keys(rng: Random) -> tuple[tuple[str, KeyValue], ...]:
    keys: list[tuple[str, KeyValue]] = [("tenant", (rng.choice(TENANTS),)), ("plan", rng.choice(PLANS))]
    if rng.random() < 0.3:  # noqa: PLR2004 - three in ten applications' peers carry more
        keys += [("attempt", rng.randint(1, 3)), ("beta", rng.random() < 0.5), ("campaign", None)]  # noqa: PLR2004
    return tuple(keys)


def ordinary_people(rng: Random, count: int, seconds: float, *, calm: bool, video: bool) -> list[Participant]:
    """Draws people who come on time, stay to the end and have good links, a few of them fair ones unless `calm`."""
    people = []
    names = rng.sample(NAMES, count) if count <= len(NAMES) else [f"{NAMES[n % len(NAMES)]}-{n}" for n in range(count)]
    for number, name in enumerate(names):
        fair = not calm and rng.random() < _FAIR_SHARE
        uplink = rng.choice(_FAIR_LINKS) if fair else _good_link(rng, rng.uniform(4e6, 10e6))
        people.append(
            Participant(
                name=name,
                role="guest" if number else "host",
                joined=rng.uniform(0.5, min(40.0, seconds / 10)) if number else 0.0,
                left=seconds - (rng.uniform(0.0, min(15.0, seconds / 20)) if number else 0.0),
                device=rng.choice(DESKTOPS),
                place=rng.choice(PLACES),
                uplink=uplink,
                downlink=_good_link(rng, rng.uniform(15e6, 60e6)),
                call_setup_seconds=rng.uniform(0.12, 0.7),
                rating=rng.choice((4, 5, 5)) if rng.random() < _RATED_SHARE else None,
                keys=_keys(rng),
                camera=video,
                simulcast=count > 2,  # noqa: PLR2004 - two people need one layer only
                muted=_spans(rng, seconds, _MUTED_SHARE if number else 0.0),
                camera_off=_spans(rng, seconds, _CAMERA_OFF_SHARE if number and video else 0.0),
                noise=f"{rng.getrandbits(64):016x}",
            )
        )
    return people


def _as_they_are(_rng: Random, people: list[Participant], _seconds: float) -> list[Participant]:
    return people


def _bad_uplink(rng: Random, people: list[Participant], _seconds: float) -> list[Participant]:
    uplink = Link(
        capacity_bits_per_second=rng.uniform(0.8e6, 1.1e6),
        loss_ratio=rng.uniform(0.085, 0.12),
        jitter_seconds=rng.uniform(0.033, 0.04),
        delay_seconds=rng.uniform(0.26, 0.32),
    )
    people[1] = replace(people[1], uplink=uplink, muted=(), camera_off=(), rating=2)
    return people


def _congested_link(rng: Random, videos: int) -> Link:
    """A downlink with too little room for that many videos, even in their lowest layers."""
    return Link(
        capacity_bits_per_second=rng.uniform(0.08e6, 0.1e6) * videos,
        loss_ratio=rng.uniform(0.06, 0.08),
        jitter_seconds=rng.uniform(0.04, 0.05),
        delay_seconds=rng.uniform(0.2, 0.28),
    )


def _congested_downlink(rng: Random, people: list[Participant], _seconds: float) -> list[Participant]:
    people[-1] = replace(people[-1], downlink=_congested_link(rng, len(people) - 1), rating=1)
    return people


def _mobile_turn(rng: Random, people: list[Participant], seconds: float) -> list[Participant]:
    uplink = Link(capacity_bits_per_second=0.7e6, loss_ratio=0.045, jitter_seconds=0.036, delay_seconds=0.12)
    downlink = Link(capacity_bits_per_second=1.2e6, loss_ratio=0.04, jitter_seconds=0.038, delay_seconds=0.12)
    handover = rng.uniform(0.2, 0.7) * seconds
    lost = replace(uplink, loss_ratio=0.35, delay_seconds=0.4)
    people[1] = replace(
        people[1],
        device=rng.choice(PHONES),
        relay=rng.choice(("udp", "udp", "tls")),
        uplink=uplink,
        downlink=downlink,
        episodes=(Episode(span=(handover, handover + 30.0), uplink=lost, downlink=replace(lost, loss_ratio=0.3)),),
        call_setup_seconds=rng.uniform(1.6, 3.0),
        rating=3,
    )
    return people


def _late_joiner(rng: Random, people: list[Participant], seconds: float) -> list[Participant]:
    joined = rng.uniform(0.4, 0.6) * seconds
    people[-1] = replace(people[-1], joined=joined, call_setup_seconds=2.6, muted=(), camera_off=())
    return people


def _screen_share(rng: Random, people: list[Participant], seconds: float) -> list[Participant]:
    begin = rng.uniform(0.05, 0.15) * seconds
    people[0] = replace(people[0], screen=((begin, 0.9 * seconds),))
    return people


def _never_connects(rng: Random, people: list[Participant], seconds: float) -> list[Participant]:
    joined = min(rng.uniform(10.0, 40.0), seconds / 4)
    left = min(joined + rng.uniform(20.0, 60.0), seconds)
    people[-1] = replace(people[-1], joined=joined, left=left, call_setup_seconds=None, rating=None)
    return people


def _short_stay(rng: Random, people: list[Participant], seconds: float) -> list[Participant]:
    joined = rng.uniform(0.2, 0.6) * seconds
    people[-1] = replace(people[-1], joined=joined, left=joined + 8.0, muted=(), camera_off=(), rating=None)
    return people


def _bad_episode(_rng: Random, people: list[Participant], seconds: float) -> list[Participant]:
    bad = Link(capacity_bits_per_second=0.5e6, loss_ratio=0.14, jitter_seconds=0.055, delay_seconds=0.25)
    episode = Episode(span=(0.42 * seconds, 0.54 * seconds), uplink=bad, downlink=bad)
    people[1] = replace(people[1], episodes=(episode,), muted=(), camera_off=())
    return people


def _all_hands(rng: Random, people: list[Participant], seconds: float) -> list[Participant]:
    audience = [
        replace(person, role="viewer", microphone=False, camera=False, muted=(), camera_off=())
        for person in people[2:-1]
    ]
    audience[-1] = replace(audience[-1], downlink=_congested_link(rng, 3), rating=1)
    recorder = replace(
        people[-1],
        name="recorder",
        role=RECORDER_ROLE,
        device=SERVER,
        uplink=FAST,
        downlink=FAST,
        microphone=False,
        camera=False,
        muted=(),
        camera_off=(),
        rating=None,
        keys=(),
    )
    return [*_screen_share(rng, people[:2], seconds), *audience, recorder]


SCENARIOS: Final = MappingProxyType(
    {
        "good_call": Scenario(about="a call as it should be", people=4, minutes=12, change=_as_they_are, calm=True),
        "one_on_one": Scenario(about="two people, one video layer each", people=2, minutes=15, change=_as_they_are),
        "bad_uplink": Scenario(
            about="one peer's uplink loses packets: it is seen in what that peer sends, everybody else hears it",
            people=5,
            minutes=10,
            change=_bad_uplink,
            calm=True,
        ),
        "congested_downlink": Scenario(
            about="one receiver's downlink is full: freezes and gaps for that peer alone",
            people=4,
            minutes=15,
            change=_congested_downlink,
            calm=True,
        ),
        "mobile_turn": Scenario(
            about="a phone behind a TURN relay loses packets both ways and drops out during a handover",
            people=2,
            minutes=8,
            change=_mobile_turn,
            calm=True,
        ),
        "late_joiner": Scenario(
            about="one peer comes in the middle, after a slow set-up", people=4, minutes=14, change=_late_joiner
        ),
        "screen_share": Scenario(
            about="the host shares a screen: few frames, sharp picture", people=5, minutes=20, change=_screen_share
        ),
        "audio_only": Scenario(about="no cameras", people=3, minutes=10, change=_as_they_are, video=False),
        "never_connects": Scenario(
            about="one peer joins and no media ever flows", people=3, minutes=9, change=_never_connects
        ),
        "short_stay": Scenario(about="one peer looks in and leaves at once", people=3, minutes=9, change=_short_stay),
        "bad_episode": Scenario(
            about="a good call with a bad minute in the middle for one peer",
            people=4,
            minutes=16,
            change=_bad_episode,
            calm=True,
        ),
        "all_hands": Scenario(
            about="two speakers, an audience that only receives, and a recorder",
            people=16,
            least=4,
            minutes=25,
            change=_all_hands,
        ),
    }
)
