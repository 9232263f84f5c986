"""`state`: what is in it, as text and as JSON, whatever is in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from exporter import cli
from exporter.ledger import Ledger
from exporter.ledger.reading import look
from exporter.pipeline.border import Border
from exporter.pseudonyms import Pseudonyms
from exporter.shard import Shard
from exporter.state.overview import overview
from tests.reports import audio, key, peer, report
from tests.state_support import NOW, Exporter, busy_state, by_hand, exporting

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.state.overview import Overview

pytestmark = pytest.mark.usefixtures("restored_logging")

#: Unix seconds of what the busy state has in view: 2026-03-01T10:10:00Z.
INGESTED = NOW


def read(folder: Path, *, with_sessions: bool = False) -> Overview:
    """What is in a state."""
    return look(folder, lambda connection: overview(connection, folder / "state.sqlite", with_sessions=with_sessions))


def shown(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """What the command says on standard output, and nothing elsewhere."""
    assert cli.main(["state", *argv]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


class TestText:
    """For a person."""

    def test_something_of_everything(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Sections first, then source by source; the session that left with its room is told."""
        busy_state(tmp_path)
        lines = shown(capsys, f"--storage.path={tmp_path}").splitlines()
        assert lines[0].startswith(f"{tmp_path}/state.sqlite: state version 3, 0.")
        assert lines[1:] == [
            "in view  3 sessions, 4 peers",
            "         ingested from 2026-03-01T10:10:00Z to 2026-03-01T10:10:00Z",
            "series   31 of 3 rooms, 25 still shown at zero",
            "known    4 sessions, 5 peers, 2 rejections",
            "         since 2026-03-01T10:01:00Z",
            "source prod",
            "  sessions  1, and 1 whose room's counts have expired",
            "  peers     1 good, 0 fair, 1 poor, 0 unclassified, and 1 whose room's counts have expired",
            "  reports   4 ingested, 1 duplicate, 0 rejected",
            "  tasks     1 waiting, 1 set aside, 1 finished",
            "  objects   0 read",
            "  newest    ended 2026-03-01T10:01:00Z",
            "source watch",
            "  sessions  2",
            "  peers     0 good, 1 fair, 0 poor, 1 unclassified",
            "  reports   2 ingested, 0 duplicate, 1 rejected",
            "  tasks     0 waiting, 0 set aside, 0 finished",
            "  objects   2 read",
            "  newest    ended 2026-03-01T10:01:00Z",
        ]

    def test_sessions(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Those in view, the longest there first; text from strangers moves no cursor."""
        busy_state(tmp_path)
        lines = shown(capsys, "--sessions", f"--storage.path={tmp_path}").splitlines()
        times = "2026-03-01T10:00:00Z to 2026-03-01T10:01:00Z"
        assert lines[-3:] == [
            f"session s1 of prod, room standup: {times}, 2 peers, ingested 2026-03-01T10:10:00Z",
            f"session s9 of watch, room 'caf\\xe9 \"x\"\\n': {times}, 1 peer, ingested 2026-03-01T10:10:00Z",
            f"session s1 of watch, room standup: {times}, 1 peer, ingested 2026-03-01T10:10:00Z",
        ]

    def test_nothing_counted_yet(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """There is nothing to tell of sources, and no time to tell of."""
        Ledger.open(tmp_path).close()
        assert shown(capsys, f"--storage.path={tmp_path}").splitlines()[1:] == [
            "in view  0 sessions, 0 peers",
            "series   0 of 0 rooms, 0 still shown at zero",
            "known    0 sessions, 0 peers, 0 rejections",
        ]

    def test_terms(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Pseudonyms and shard are told where there are any; the salt is not."""
        border = Border(Shard(1, 3), Pseudonyms("s" * 32, ("peer_id",)))
        Exporter(tmp_path, border=border).close()
        lines = shown(capsys, f"--storage.path={tmp_path}").splitlines()
        assert lines[1] == "kept     pseudonyms of peer_id; shard 1 of 3"
        found = json.loads(shown(capsys, "--format=json", f"--storage.path={tmp_path}"))
        assert (found["pseudonyms"], found["shard"]) == (["peer_id"], {"index": 1, "count": 3})

    def test_what_was_forgotten(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """How much, and from when on what is unknown is no longer counted."""
        with exporting(tmp_path) as exporter:
            exporter.deliver("prod", report(peer("p1", audio([0.0]))))
        with by_hand(tmp_path) as connection:
            for name, amount in (("sessions", 7.0), ("peers", 9.0), ("before", NOW)):
                connection.execute("INSERT INTO tallies VALUES ('prod', ?, ?)", (f"forgotten_{name}", amount))
        assert "\n".join(shown(capsys, f"--storage.path={tmp_path}").splitlines()[5:8]) == (
            "         since 2026-03-01T10:01:00Z\n"
            "         forgotten, as too old to come again: 7 sessions, 9 peers; nothing from before\n"
            "         2026-03-01T10:10:00Z is counted any more that is not known"
        )

    def test_times_that_no_calendar_has(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """They are told as they are."""
        with exporting(tmp_path) as exporter:
            exporter.deliver("prod", report(peer("p1"), end=1e18), now=NOW)
        assert "newest    ended 1e+18 s" in shown(capsys, f"--storage.path={tmp_path}")


class TestJson:
    """For a program."""

    def test_something_of_everything(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The same, as values: moments are Unix seconds, sizes bytes."""
        busy_state(tmp_path)
        found = json.loads(shown(capsys, "--format=json", f"--storage.path={tmp_path}"))
        assert found["file"] == f"{tmp_path}/state.sqlite"
        assert found["size_bytes"] == (tmp_path / "state.sqlite").stat().st_size
        assert found["state_version"] == 3
        assert found["view"] == {"sessions": 3, "peers": 4, "oldest": INGESTED, "newest": INGESTED}
        assert found["series"] == {"series": 31, "held": 25, "rooms": 3}
        assert found["marks"] == {
            "sessions": 4,
            "peers": 5,
            "rejections": 2,
            "sessions_forgotten": 0,
            "peers_forgotten": 0,
            "since": INGESTED - 540.0,
            "forgotten_before": None,
        }
        assert found["sources"][0] == {
            "source": "prod",
            "sessions": 1,
            "sessions_departed": 1,
            "peers": {"good": 1, "fair": 0, "poor": 1, "unclassified": 0, "departed": 1},
            "reports_ingested": 4,
            "reports_duplicate": 1,
            "reports_rejected": 0,
            "tasks_waiting": 1,
            "tasks_aside": 1,
            "tasks_finished": 1,
            "objects": 0,
            "newest_end": INGESTED - 540.0,
        }
        assert [each["source"] for each in found["sources"]] == ["prod", "watch"]
        assert found["sessions"] is None

    def test_sessions(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """As they were given, odd names and all."""
        busy_state(tmp_path)
        found = json.loads(shown(capsys, "--format=json", "--sessions", f"--storage.path={tmp_path}"))
        assert found["sessions"][1] == {
            "source": "watch",
            "room_id": 'café "x"\n',
            "room_name": "",
            "session_id": "s9",
            "start": INGESTED - 600.0,
            "end": INGESTED - 540.0,
            "peers": 1,
            "ingested": INGESTED,
        }


class TestOddStates:
    """Whatever is in it, it is one clear answer."""

    def test_rooms_switched_off_and_on(self, tmp_path: Path) -> None:
        """Counts of both label sets are those of one source."""
        for number, rooms in enumerate((True, False, False)):
            with exporting(tmp_path, rooms=rooms) as exporter:
                exporter.deliver("prod", report(peer("p1", audio([0.0])), of=key(f"s{number}")))
        (source,) = read(tmp_path).sources
        assert (source.sessions, source.peers.good) == (3, 3)

    def test_while_an_exporter_has_it(self, tmp_path: Path) -> None:
        """What was committed is there at once."""
        with exporting(tmp_path) as exporter:
            exporter.deliver("prod", report(peer("p1", audio([0.0]))))
            assert read(tmp_path).view.sessions == 1
            exporter.deliver("prod", report(peer("p1", audio([0.0])), of=key("s2")))
            assert read(tmp_path).view.sessions == 2

    def test_no_state(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """One line on standard error; nothing is made."""
        for command in (["state"], ["state", "check"]):
            assert cli.main([*command, f"--storage.path={tmp_path}/none"]) == 1
            captured = capsys.readouterr()
            assert captured.out == ""
            assert captured.err.startswith(f"{tmp_path}/none/state.sqlite: expected a state that an exporter has begun")
            assert captured.err.count("\n") == 1
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE counts SET amounts = x'C1' WHERE series = (SELECT min(series) FROM counts)",
            "UPDATE counts SET amounts = x'90' WHERE CAST(series AS TEXT) LIKE '%peer_sessions%'",
            "INSERT INTO counts VALUES (x'FF', x'90', 1.0, 0)",
            "INSERT INTO counts VALUES (CAST('[]' AS BLOB), x'90', 1.0, 0)",
            """INSERT INTO counts VALUES (CAST('["webrtc_peer_sessions_total"]' AS BLOB), x'9101', 1.0, 0)""",
            "INSERT INTO counts VALUES ('text', 'text', 1.0, 0)",
            "UPDATE sessions SET session = 'text'",
            "UPDATE facts SET value = x'C0' WHERE name LIKE 'newest_end/%'",
            "UPDATE tallies SET amount = 'many' WHERE name = 'departed_sessions'",
            "INSERT INTO tallies VALUES ('prod', 'forgotten_peers', 'many')",
            "DROP TABLE objects",
        ],
    )
    def test_rows_that_nobody_wrote(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], statement: str) -> None:
        """The state is said to be damaged, in one line that tells what to do."""
        busy_state(tmp_path)
        with by_hand(tmp_path) as connection:
            connection.execute(statement)
        assert cli.main(["state", "--sessions", f"--storage.path={tmp_path}"]) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith(f"{tmp_path}/state.sqlite: expected a state file of this program (")
        assert "restore it from a backup" in captured.err
        assert captured.err.count("\n") == 1

    def test_a_terminal_without_our_letters(self, tmp_path: Path) -> None:
        """JSON is what it is in any encoding."""
        busy_state(tmp_path)
        raw = msgspec.json.encode(read(tmp_path, with_sessions=True))
        assert "café" in raw.decode()
