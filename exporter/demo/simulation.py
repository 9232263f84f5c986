"""Makes meetings, the same ones for the same seed: a single one, a schedule without end, or a great many."""

from __future__ import annotations

import heapq
from math import ceil
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from exporter.demo.media import record
from exporter.demo.scenarios import SCENARIOS, ordinary_people
from exporter.demo.truth import Meeting, Recording, dice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Room(Struct, frozen=True, kw_only=True):
    """A room and its timetable: the scenarios take turns, one meeting a period."""

    name: str
    scenarios: tuple[str, ...]
    #: Seconds between the starts of two meetings; longer than any of them.
    period: float
    #: Seconds from the timetable's beginning to the first meeting.
    phase: float


#: Rooms that people know from their own work. In the first hour of the timetable each kind of trouble occurs.
ROOMS: Final = (
    Room(name="weekly-standup", scenarios=("bad_uplink", "good_call", "bad_episode"), period=2100, phase=700),
    Room(name="sales-demo", scenarios=("congested_downlink", "screen_share", "good_call"), period=2700, phase=420),
    Room(name="design-review", scenarios=("late_joiner", "screen_share"), period=2400, phase=900),
    Room(name="all-hands", scenarios=("all_hands",), period=3600, phase=1000),
    Room(name="interview", scenarios=("never_connects", "short_stay", "one_on_one"), period=2000, phase=715),
    Room(name="support-desk", scenarios=("mobile_turn", "one_on_one", "good_call"), period=1500, phase=800),
    Room(name="phone-bridge", scenarios=("audio_only",), period=1800, phase=900),
    Room(name="telehealth", scenarios=("one_on_one", "bad_uplink", "never_connects"), period=1900, phase=395),
    Room(name="classroom", scenarios=("good_call", "congested_downlink", "bad_episode"), period=3000, phase=1000),
    Room(name="sprint-demo", scenarios=("screen_share", "good_call", "late_joiner"), period=3300, phase=300),
)

#: What a room's timetable is let slip, so that meetings do not all start on the minute.
_SLIP_SECONDS: Final = 45.0


def meeting(
    seed: int | str,
    scenario: str,
    start: float,
    *,
    room: str | None = None,
    people: int | None = None,
    minutes: float | None = None,
) -> Meeting:
    """Makes one meeting of a named scenario.

    Seed, scenario, people and minutes alone decide what happens in it; room and start only where and when.

    Args:
        seed: another seed, another meeting.
        scenario: a name of `SCENARIOS`.
        start: Unix seconds of the first join, rounded to milliseconds.
        room: the room's name; the scenario's, with hyphens, by default.
        people: how many take part; the scenario's usual number by default, and never fewer than it needs.
        minutes: from first join to last leave; the scenario's usual length by default.

    Raises:
        KeyError: there is no such scenario.
    """
    plan = SCENARIOS[scenario]
    number = max(plan.least, plan.people if people is None else people)
    seconds = round(60 * (plan.minutes if minutes is None else minutes), 3)
    rng = dice(seed, scenario, number, seconds)
    invited = ordinary_people(rng, number, seconds, calm=plan.calm, video=plan.video)
    participants = tuple(
        replace(person, joined=round(person.joined, 3), left=round(person.left, 3))
        for person in plan.change(rng, invited, seconds)
    )
    name = scenario.replace("_", "-") if room is None else room
    begin = round(start, 3)
    return Meeting(
        scenario=scenario,
        room=name,
        key=f"{seed}/{scenario}/{name}/{begin:.3f}/{number}/{seconds}",
        start=begin,
        end=round(begin + max(person.left for person in participants), 3),
        participants=participants,
    )


def simulate(
    seed: int | str, start: float, end: float, *, rooms: Sequence[Room] = ROOMS, anchor: float = 0.0
) -> Iterator[Meeting]:
    """Makes the meetings of all rooms that begin in a span of time, ordered by their start.

    Neighbouring spans fit together: what one span gives depends on the seed and the anchor, not on the span.

    Args:
        seed: another seed, other meetings.
        start: Unix seconds; meetings begin at or after it.
        end: Unix seconds; meetings begin before it. `math.inf` for a schedule without end.
        rooms: the rooms and their timetables.
        anchor: Unix seconds at which all timetables begin; nothing happens before it.
    """
    return heapq.merge(*(_held(seed, room, start, end, anchor) for room in rooms), key=lambda held: held.start)


def _held(seed: int | str, room: Room, start: float, end: float, anchor: float) -> Iterator[Meeting]:
    """The meetings of one room, ordered by their start."""
    # One turn early: a meeting that slipped may begin in the span though its turn came before it.
    turn = max(0, ceil((start - anchor - room.phase) / room.period) - 1)
    while (planned := anchor + room.phase + turn * room.period) < end:
        rng = dice(seed, room.name, turn, "timetable")
        scenario = room.scenarios[turn % len(room.scenarios)]
        held = meeting(
            f"{seed}/{room.name}/{turn}",
            scenario,
            planned + rng.uniform(0.0, _SLIP_SECONDS),
            room=room.name,
            minutes=SCENARIOS[scenario].minutes * rng.uniform(0.9, 1.1),
        )
        turn += 1
        if start <= held.start < end:
            yield held


def volume(  # noqa: PLR0913 - the dials of a benchmark
    seed: int | str,
    sessions: int,
    people: int,
    start: float,
    *,
    minutes: float = 30.0,
    spacing: float = 10.0,
    rooms: int = 100,
    variety: int = 4,
) -> Iterator[Recording]:
    """Makes a great many recorded meetings for benchmarks, cheaply: a few are simulated, the rest are copies.

    Each has its own key, start and therefore vendor ids; copies share their media.

    Args:
        seed: another seed, other meetings.
        sessions: how many meetings.
        people: how many take part in each.
        start: Unix seconds of the first one.
        minutes: the length of each.
        spacing: seconds between two starts.
        rooms: in how many rooms they are held in turn.
        variety: how many different ones there are.
    """
    scenarios = ("good_call", "bad_uplink", "good_call", "screen_share", "congested_downlink", "bad_episode")
    originals = [
        record(meeting(f"{seed}/{number}", scenarios[number % len(scenarios)], start, people=people, minutes=minutes))
        for number in range(min(variety, sessions))
    ]
    for number in range(sessions):
        original = originals[number % variety]
        begin = round(start + number * spacing, 3)
        held = original.meeting
        yield replace(
            original,
            meeting=replace(
                held,
                room=f"room-{number % rooms:03d}",
                key=f"{seed}/volume/{number}",
                start=begin,
                end=round(begin + (held.end - held.start), 3),
            ),
        )
