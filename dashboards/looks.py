"""How a measure looks, the same on every panel: its unit, its decimals and its colours.

The limits are those of the verdicts, read from where the verdicts read them, so that no colour contradicts a verdict.
The colours stay apart for people who see no red, no green or no blue, and a word always stands beside a verdict's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import DashboardSpecialValueMapOptions as SpecialValue
from grafana_foundation_sdk.models.dashboard import (
    SpecialValueMap,
    SpecialValueMatch,
    Threshold,
    ValueMap,
    ValueMappingResult,
)
from msgspec import Struct

from dashboards.queries import SEVERITIES
from exporter.quality.thresholds import Thresholds
from exporter.quality.verdicts import REASONS

if TYPE_CHECKING:
    from exporter.quality.thresholds import Limit

Mapping: TypeAlias = ValueMap | SpecialValueMap

GOOD: Final = "#3B82C4"
FAIR: Final = "#F2B705"
POOR: Final = "#D1344B"
UNCLASSIFIED: Final = "#8A8F98"
#: What is not wrong stays without colour where many numbers stand together.
QUIET: Final = "transparent"
#: A number that is neither good nor bad, in the theme's own colour.
PLAIN: Final = "text"

VERDICT_COLOURS: Final = {"poor": POOR, "fair": FAIR, "good": GOOD, "unclassified": UNCLASSIFIED}

#: A limit and the colour from there on; the first has no limit.
Step: TypeAlias = tuple[float | None, str]


class Look(Struct, frozen=True, kw_only=True):
    """The unit, the decimals and the colours of a measure."""

    unit: str
    decimals: int | None = None
    #: Where other colours than the quiet one begin.
    steps: tuple[Step, ...] = ()
    #: What the end of a bar stands for.
    maximum: float | None = None
    mappings: tuple[Mapping, ...] = ()

    def thresholds(self, quiet: str) -> list[Threshold]:
        """The steps as Grafana has them; `quiet` is the colour of what is not wrong."""
        steps = self.steps or ((None, quiet),)
        return [Threshold(value=value, color=quiet if colour == QUIET else colour) for value, colour in steps]


def _rising(limit: Limit) -> tuple[Step, ...]:
    return ((None, QUIET), (limit.fair, FAIR), (limit.poor, POOR))


def _falling(limit: Limit) -> tuple[Step, ...]:
    return ((None, POOR), (limit.poor, FAIR), (limit.fair, QUIET))


def _share(limit: float) -> tuple[Step, ...]:
    return ((None, QUIET), (limit, POOR))


def _results(texts: dict[str, tuple[str, str | None]]) -> ValueMap:
    return ValueMap(
        options={
            value: ValueMappingResult(text=text, color=colour, index=index)
            for index, (value, (text, colour)) in enumerate(texts.items())
        }
    )


#: An attribute that the source does not give is an empty label, which would look like a fault of the board.
EMPTY: Final = SpecialValueMap(
    options=SpecialValue(match=SpecialValueMatch.EMPTY, result=ValueMappingResult(text="-", index=0))
)

#: What was not measured has no number and no colour: without this, what is bad when low would be red when missing.
MISSING: Final = SpecialValueMap(
    options=SpecialValue(
        match=SpecialValueMatch.NULL_AND_NAN, result=ValueMappingResult(text="-", color=QUIET, index=0)
    )
)

_LIMITS: Final = Thresholds()
#: Grafana has no such unit of its own.
_FRAMES_PER_SECOND: Final = "suffix: fps"

PACKET_LOSS: Final = Look(
    unit=units.PercentUnit,
    decimals=1,
    steps=_rising(_LIMITS.packet_loss_ratio),
    maximum=_LIMITS.packet_loss_ratio.poor * 2,
)
JITTER: Final = Look(
    unit=units.Seconds, decimals=0, steps=_rising(_LIMITS.jitter_seconds), maximum=_LIMITS.jitter_seconds.poor * 2
)
ROUND_TRIP_TIME: Final = Look(
    unit=units.Seconds,
    decimals=0,
    steps=_rising(_LIMITS.round_trip_time_seconds),
    maximum=_LIMITS.round_trip_time_seconds.poor * 2,
)
CONCEALMENT: Final = Look(unit=units.PercentUnit, decimals=1, steps=_rising(_LIMITS.concealment_ratio))
MOS: Final = Look(unit=units.Short, decimals=2, steps=_falling(_LIMITS.mos))
FRAME_RATE: Final = Look(unit=_FRAMES_PER_SECOND, decimals=0, steps=_falling(_LIMITS.frames_per_second))
SCREEN_FRAME_RATE: Final = Look(unit=_FRAMES_PER_SECOND, decimals=0, steps=_falling(_LIMITS.screen_frames_per_second))
#: A simulcast layer is paused while nobody needs it, and its mean falls for no fault: no limits.
LAYER_FRAME_RATE: Final = Look(unit=_FRAMES_PER_SECOND, decimals=0)
CALL_SETUP: Final = Look(unit=units.Seconds, steps=_rising(_LIMITS.call_setup_seconds))
POOR_TIME: Final = Look(unit=units.PercentUnit, decimals=0, steps=_share(_LIMITS.poor_time_share), maximum=1.0)
POOR_PEERS: Final = Look(unit=units.PercentUnit, decimals=0, steps=_share(_LIMITS.poor_peer_share), maximum=1.0)
BIT_RATE: Final = Look(unit=units.BitsPerSecondSI)
SCORE: Final = Look(unit=units.Short, decimals=1)
COUNT: Final = Look(unit=units.Short, decimals=0)
DURATION: Final = Look(unit=units.Seconds, decimals=0)
#: Wants milliseconds, where Prometheus has seconds.
MOMENT: Final = Look(unit=units.DatetimeISO)
VERDICT: Final = Look(
    unit=units.Short,
    mappings=(_results({str(number): (name, VERDICT_COLOURS[name]) for name, number in SEVERITIES.items()}),),
)
#: A share without limits of its own, and one of a target, which is the limit.
RATIO: Final = Look(unit=units.PercentUnit, decimals=1)
OF_TARGET: Final = Look(unit=units.PercentUnit, decimals=0, steps=_share(1.0))
#: Sound that never came, in seconds of it.
SOUND: Final = Look(unit=units.Seconds, decimals=1)
BYTES: Final = Look(unit=units.BytesIEC, decimals=1)
#: Parts of a second that a machine needs, and what it does in one.
LATENCY: Final = Look(unit=units.Seconds)
REQUESTS: Final = Look(unit=units.RequestsPerSecond)
#: Lateness of data: an hour is late for a source that is polled each minute, and a day is for every source.
AGE: Final = Look(unit=units.Seconds, decimals=0)
#: How full something is: from four fifths on it wants care, at the end something is lost.
FILL: Final = Look(unit=units.PercentUnit, decimals=0, steps=((None, QUIET), (0.8, FAIR), (0.95, POOR)), maximum=1.0)
#: Something that should not happen at all.
FAULTS: Final = Look(unit=units.Short, decimals=0, steps=((None, QUIET), (1.0, POOR)))
WORKS: Final = Look(unit=units.Short, mappings=(_results({"1": ("works", GOOD), "0": ("fails", POOR)}),))
#: Labels as they are, dashes for what the source does not say.
TEXT: Final = Look(unit=units.String, mappings=(EMPTY,))
DIRECTION: Final = Look(unit=units.String, mappings=(_results({"send": ("sent", None), "recv": ("received", None)}),))
REASON: Final = Look(
    unit=units.String, mappings=(_results({reason: (reason.replace("_", " "), None) for reason in REASONS}), EMPTY)
)
