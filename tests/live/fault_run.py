"""A source, its faulty vendor and what the vendor had to say: what a test of faults needs beside the exporter."""

from __future__ import annotations

import json
import time
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any

from exporter.demo import hundredms_documents as documents
from exporter.demo.hundredms_server import Credentials, HundredMsServer
from exporter.demo.simulation import meeting
from exporter.demo.world import World
from tests.live import faults
from tests.live.fault_cases import CONCURRENCY, OLD_TOKEN, RATE, Place
from tests.live.faulty_vendor import STATS, FaultyVendor
from tests.oracle import Versions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from exporter.demo.truth import Meeting
    from tests.live.fault_cases import Case
    from tests.live.faulty_vendor import Answer

_ACCESS_KEY = "an-access-key"
_SECRET = "an-app-secret-that-is-long-enough"  # noqa: S105 - of a vendor that is simulated
_RECORDER = "__internal_recorder"


class Run:
    """One source of the exporter and its vendor.

    Args:
        name: the source's.
        case: what goes wrong.
        folder: for the token.
        meetings: what was held; the case's meetings, which ended three seconds ago, by default.
    """

    def __init__(self, name: str, case: Case, folder: Path, meetings: Sequence[Meeting] = ()) -> None:
        self.name = name
        self.case = case
        self._token = folder / f"{name}.token"
        self._token.write_text(OLD_TOKEN, encoding="utf-8")
        self.meetings = tuple(meetings) or self._hold()
        credentials = Credentials(token=OLD_TOKEN, access_key=_ACCESS_KEY, app_secret=_SECRET)
        world = World(sorted(self.meetings, key=lambda held: held.start))
        self.api = HundredMsServer(world, self.clock, credentials, case.api, token_clock=self.clock)
        self.api.recordings_kept = len(self.meetings)
        self.vendor = FaultyVendor(self.api.application, clock=self.clock)
        place = Place(vendor=self.vendor, api=self.api, peers=self.peers, token_file=self._token)
        self.vendor.faults = tuple(case.faults(place))

    def clock(self) -> float:
        """The vendor's time, in Unix seconds."""
        return time.time() + self.case.clock

    @property
    def concurrency(self) -> int:
        """The most calls at a time."""
        return int(self.case.peer_stats.get("concurrency", CONCURRENCY))

    @cached_property
    def peers(self) -> tuple[tuple[str, str], ...]:
        """Session and peer ids of all that are asked for, in the order of the meetings."""
        return tuple(
            (documents.session_id(held), documents.peer_id(held, number))
            for held in self.meetings
            for number, person in enumerate(held.participants)
            if person.role != _RECORDER
        )

    def is_given(self) -> bool:
        """Whether every version of everybody's statistics was sent to its end."""
        never = {self.peers[place] for place in self.case.never}
        given = self.vendor.given
        return all(len(given.get(peer, ())) >= self.case.versions or peer in never for peer in self.peers)

    def source(self, url: str) -> dict[str, Any]:
        """The source in the configuration, of the vendors that are served there."""
        signing = {"access_key": _ACCESS_KEY, "app_secret": _SECRET}
        return {
            "name": self.name,
            "type": "100ms",
            "base_url": f"{url}/{self.name}/v2",
            "auth": signing if self.case.signs else {"management_token_file": str(self._token)},
            "discovery": {"poll_interval": self.case.poll_interval, "lookback": "3h"},
            "peer_stats": {
                "concurrency": CONCURRENCY,
                "requests_per_second": RATE,
                "settle_delay": "0s",
                "recheck_after": [],
                "give_up_after": "10m",
                **self.case.peer_stats,
            },
        }

    def told(self) -> tuple[list[Any], dict[tuple[str, str], Any]]:
        """What the vendor told in the end, as the oracle takes it: sessions, and statistics by session and peer."""
        rows = [json.loads(json.dumps(documents.session_row(held, self.clock()))) for held in self.meetings]
        given = {
            peer: Versions([json.loads(body) for body in bodies]) if len(bodies) > 1 else json.loads(bodies[0])
            for peer, bodies in self.vendor.given.items()
        }
        return rows, given

    def lies(self) -> Counter[str]:
        """What was sent in place of statistics, each document once for a session, by what is wrong with it."""
        answers = ((visit.asked.peer[0], visit.answer) for visit in self.vendor.visits_to(STATS))
        told = {(session, answer.body) for session, answer in answers if answer and _is_a_lie(answer)}
        return Counter(faults.REJECTIONS.get(body, "missing_identity") for _, body in told)

    def rooms(self) -> dict[str, tuple[str, str]]:
        """Name and template of the rooms that can be had, by their ids."""
        if not self.case.names:
            return {}
        rooms = [documents.room_document(held.room) for held in self.meetings]
        return {room["id"]: (room["name"], room["template"]) for room in rooms}

    def _hold(self) -> tuple[Meeting, ...]:
        start = self.clock() - 64.0
        return tuple(
            meeting(self.name, scenario, start - number, room=f"{self.name}-{scenario}", people=people, minutes=1)
            for number, (scenario, people) in enumerate(self.case.meetings)
        )


def _is_a_lie(answer: Answer) -> bool:
    """Whether it is a document that can be told to be none: not one without samples, or one that is broken off."""
    whole = answer.manner != "cut" and "content-encoding" not in answer.headers
    return answer.lie and whole and answer.body != faults.EMPTY
