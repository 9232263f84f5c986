"""The colours of the verdicts can be told apart by everybody."""

from __future__ import annotations

from itertools import combinations
from math import dist
from typing import Final, TypeAlias

import pytest

from dashboards.looks import VERDICT_COLOURS

Colour: TypeAlias = tuple[float, float, float]

#: Simulation of complete dichromacy on linear RGB (Machado, Oliveira and Fernandes 2009, severity 1.0).
VISIONS: Final[dict[str, tuple[Colour, Colour, Colour]]] = {
    "normal": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
#: Difference of two colours (CIE 1976) that is plain at a glance; about 2 can just be seen.
PLAIN: Final = 20.0


def _linear(colour: str) -> Colour:
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))

    def expand(value: float) -> float:
        return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)

    return expand(red), expand(green), expand(blue)


def _seen(colour: str, vision: str) -> Colour:
    """The colour in CIELAB, as somebody with that vision sees it."""
    linear = _linear(colour)
    red, green, blue = (
        min(1.0, max(0.0, sum(part * value for part, value in zip(row, linear, strict=True))))
        for row in VISIONS[vision]
    )
    x = (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047
    y = 0.2126729 * red + 0.7151522 * green + 0.0721750 * blue
    z = (0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883

    def curve(value: float) -> float:
        return float(value ** (1 / 3)) if value > 216 / 24389 else (24389 / 27 * value + 16) / 116

    return 116 * curve(y) - 16, 500 * (curve(x) - curve(y)), 200 * (curve(y) - curve(z))


def test_white_and_black_are_a_hundred_apart() -> None:
    """The measure itself is right: CIELAB's lightness goes from 0 to 100."""
    assert dist(_seen("#FFFFFF", "normal"), _seen("#000000", "normal")) == pytest.approx(100, abs=0.01)


def test_traffic_lights_would_fail() -> None:
    """Grafana's own green and red are all but one colour to one man in a hundred."""
    assert dist(_seen("#56A64B", "deuteranopia"), _seen("#E02F44", "deuteranopia")) < PLAIN


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize(("one", "other"), list(combinations(VERDICT_COLOURS, 2)))
def test_verdicts_are_told_apart(one: str, other: str, vision: str) -> None:
    """Any two verdicts differ plainly, whatever colours somebody sees."""
    assert dist(_seen(VERDICT_COLOURS[one], vision), _seen(VERDICT_COLOURS[other], vision)) > PLAIN
