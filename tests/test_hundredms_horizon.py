"""How far back is listed: the rules of catching up, with clocks that are right and wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sources.hundredms.horizon import Listed, Plan, Stretch, narrowed, plan, vendor_time
from tests.hundredms_support import NOON, read_settings

if TYPE_CHECKING:
    from exporter.sources.hundredms.settings import Discovery

HOUR = 3600.0
DAY = 86_400.0
#: 14 h of look-back, 30 days of catching up.
DEFAULT = read_settings().discovery
SHORT = read_settings({"discovery": {"catch_up": "2d"}}).discovery
NONE = read_settings({"discovery": {"catch_up": "0s"}}).discovery
SECONDS = read_settings({"discovery": {"lookback": "1s", "catch_up": "0s"}}).discovery


class TestPlan:
    """What the next poll lists."""

    def test_the_first_start_looks_back_and_no_further(self) -> None:
        """A new exporter begins with today."""
        assert plan(None, NOON, DEFAULT) == Plan(since=NOON - 14 * HOUR)

    @pytest.mark.parametrize(("ago", "since"), [(0.0, -14 * HOUR), (60.0, -14 * HOUR - 60), (HOUR, -15 * HOUR)])
    def test_a_short_break_is_made_up_for_in_one(self, ago: float, since: float) -> None:
        """What started a look-back before the last listing had ended by then."""
        assert plan(Listed(at=NOON - ago), NOON, DEFAULT) == Plan(since=NOON + since)

    def test_after_a_downtime_what_was_missed_is_listed_apart(self) -> None:
        """From the look-back before the last listing to that of now."""
        missed = Stretch(NOON - 3 * DAY - 14 * HOUR, NOON - 14 * HOUR)
        assert plan(Listed(at=NOON - 3 * DAY), NOON, DEFAULT) == Plan(since=NOON - 14 * HOUR, missed=missed)

    @pytest.mark.parametrize("ago", [1.5 * DAY, 40 * DAY, 40 * 365 * DAY])
    def test_it_goes_no_further_than_configured(self, ago: float) -> None:
        """However long the downtime was."""
        missed = Stretch(NOON - 2 * DAY, NOON - 14 * HOUR)
        assert plan(Listed(at=NOON - ago), NOON, SHORT) == Plan(since=NOON - 14 * HOUR, missed=missed)

    def test_catching_up_can_be_switched_off(self) -> None:
        """Then the look-back is all."""
        assert plan(Listed(at=NOON - 3 * DAY), NOON, NONE) == Plan(since=NOON - 14 * HOUR)

    def test_a_look_back_of_a_second_still_covers_the_pause_between_polls(self) -> None:
        """Where catching up is allowed, which it is by default."""
        listed = Listed(at=NOON - 60.0)
        assert plan(listed, NOON, read_settings({"discovery": {"lookback": "1s"}}).discovery).since == NOON - 61.0
        assert plan(listed, NOON, SECONDS).since == NOON - 1.0

    def test_what_is_left_of_an_earlier_downtime_stays(self) -> None:
        """Until it is listed, or too old."""
        missed = Stretch(NOON - 9 * DAY, NOON - 8 * DAY)
        listed = Listed(at=NOON - 60.0, missed=missed)
        assert plan(listed, NOON, DEFAULT).missed == missed
        assert plan(listed, NOON + 21.5 * DAY, DEFAULT).missed == Stretch(
            NOON - 8.5 * DAY, NOON + 20.5 * DAY + 10 * HOUR
        )
        assert plan(Listed(at=NOON + 22 * DAY, missed=missed), NOON + 22 * DAY, DEFAULT).missed is None

    def test_two_downtimes_become_one_stretch(self) -> None:
        """Some of it is listed twice, and nothing not at all."""
        listed = Listed(at=NOON - 3 * DAY, missed=Stretch(NOON - 9 * DAY, NOON - 8 * DAY))
        assert plan(listed, NOON, DEFAULT).missed == Stretch(NOON - 9 * DAY, NOON - 14 * HOUR)

    def test_a_clock_that_was_set_back_a_little(self) -> None:
        """What the look-back covers is listed, and no more."""
        assert plan(Listed(at=NOON + 3000.0), NOON, DEFAULT) == Plan(since=NOON - 14 * HOUR)

    def test_a_mark_from_the_future_tells_nothing(self) -> None:
        """It was made while a clock was wrong: once, all that may have been missed is listed."""
        missed = Stretch(NOON - 30 * DAY, NOON - 14 * HOUR)
        assert plan(Listed(at=NOON + 2 * HOUR), NOON, DEFAULT) == Plan(since=NOON - 14 * HOUR, missed=missed)

    def test_what_was_missed_in_the_future_is_nothing(self) -> None:
        """It too comes from a clock that was wrong."""
        listed = Listed(at=NOON, missed=Stretch(NOON + DAY, NOON + 2 * DAY))
        assert plan(listed, NOON, DEFAULT) == Plan(since=NOON - 14 * HOUR)

    @given(
        st.sampled_from([(DEFAULT, 30 * DAY), (SHORT, 2 * DAY)]),
        st.floats(0, 40 * DAY),
        st.floats(0, 40 * DAY),
    )
    def test_nothing_within_the_horizon_is_left_out(
        self, settings: tuple[Discovery, float], listed_ago: float, started_ago: float
    ) -> None:
        """A session that may have ended since the last listing is in one of both parts; nothing older is in any."""
        discovery, farthest = settings
        made = plan(Listed(at=NOON - listed_ago), NOON, discovery)
        parts = [(made.since, NOON), *([(made.missed.since, made.missed.until)] if made.missed else [])]
        assert all(since >= NOON - farthest for since, _ in parts)
        if started_ago <= min(farthest, listed_ago + 14 * HOUR):
            assert any(since <= NOON - started_ago <= until for since, until in parts)


class TestNarrowed:
    """What is left after a page."""

    missed = Stretch(NOON - DAY, NOON)

    @pytest.mark.parametrize("starts", [[NOON - HOUR], [NOON, NOON - 10.0, NOON + 40.0, NOON - HOUR]])
    def test_down_to_the_last_row(self, starts: list[float]) -> None:
        """And a minute more, as ids may be made a little before or after the time they show."""
        assert narrowed(self.missed, starts) == Stretch(NOON - DAY, NOON - HOUR + 60.0)

    @pytest.mark.parametrize(
        "starts",
        [
            [],
            [NOON + 61.0, NOON - HOUR],
            [NOON - 2 * HOUR, NOON - HOUR],
            [NOON, NOON - HOUR, NOON - 1800.0, NOON - 2 * HOUR],
            [NOON],
            [NOON + 60.0, NOON + 50.0],
        ],
        ids=["no times", "not below the page before", "oldest first", "no order", "no older", "newer"],
    )
    def test_a_page_that_proves_nothing(self, starts: list[float]) -> None:
        """Rows may come in any order: then only the end of the whole listing tells that it is done."""
        assert narrowed(self.missed, starts) == self.missed

    def test_it_never_turns_round(self) -> None:
        """Older rows than were asked for are none of it."""
        assert narrowed(self.missed, [NOON, NOON - 9 * DAY]) == Stretch(NOON - DAY, NOON - DAY)


class TestClocks:
    """Sessions are listed by the vendor's time."""

    @pytest.mark.parametrize(
        ("ahead", "time"),
        [
            (None, NOON),
            (0.0, NOON),
            (HOUR, NOON),
            (DAY, NOON),
            (DAY + 1, NOON + DAY + 1),
            (365 * DAY, NOON + 365 * DAY),
            (-0.9, NOON - 0.9),
            (-5 * HOUR, NOON - 5 * HOUR),
        ],
    )
    def test_the_earlier_clock_counts(self, ahead: float | None, time: float) -> None:
        """Unless ours is so far behind that all of history would be listed each time."""
        assert vendor_time(NOON, ahead) == time
