"""`ingest`: files into the state, each document once, each problem with its place."""

from __future__ import annotations

import gzip
import json
import logging
import os
import signal
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter import cli, logs
from exporter.config import Settings
from exporter.feed.choice import ChoiceError, Readers
from exporter.feed.counter import Counter
from exporter.feed.feeding import Feeding
from exporter.feed.files import find_files
from exporter.ledger import Ledger
from exporter.pipeline.border import Border
from exporter.pipeline.ingest import Committed
from exporter.pipeline.publisher import EVICTED
from exporter.settings import MetricsSettings
from exporter.sources import source_types
from exporter.sources.base import Delivery, RejectedDocument, UnusableBodyError
from exporter.stopping import Stop
from exporter.told import Discretion, quote, told
from tests.hundredms_support import audio_stats
from tests.hundredms_support import read_settings as hundredms_settings
from tests.reports import audio, key, peer, report
from tests.state_support import NOW, exporting, findings
from tests.watchrtc_support import a_room
from tests.watchrtc_support import read_settings as watchrtc_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from exporter.feed.feeding import Outcome

pytestmark = pytest.mark.usefixtures("restored_logging")

MEET = {"name": "meet", "type": "100ms", "auth": {"management_token_file": "none"}}
WATCH = {"name": "watch", "type": "watchrtc", "url": "none"}


def room(number: int = 1, mos: float = 4.2) -> dict[str, object]:
    """A room of watchRTC with one peer."""
    return a_room(f"room {number}", peers=[{"peer_id": "p1", "duration": 60, "stats": {"mos": mos}}])


class Place:
    """A folder with a configuration, a state and files; runs the command there."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.config = folder / "config.yaml"
        self._capsys = capsys
        self.configure(MEET, WATCH)

    def configure(self, *sources: Mapping[str, object], **more: object) -> None:
        """Writes the configuration."""
        self.config.write_text(json.dumps({"sources": sources, **more}))

    def write(self, name: str, content: object) -> Path:
        """Writes a file: bytes as they are, anything else as JSON."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return file

    def ingest(self, *paths: Path, source: str | None = None) -> tuple[int, list[str], list[str]]:
        """Runs the command: its exit code, and the lines on standard output and error without the folder's name."""
        flags = [f"--config.file={self.config}", f"--storage.path={self.state}"]
        flags += [f"--source={source}"] if source else []
        code = cli.main(["ingest", *flags, *map(str, paths)])
        said = self._capsys.readouterr()
        told, problems = (text.replace(f"{self.folder}/", "").splitlines() for text in (said.out, said.err))
        return code, told, problems

    def counted(self, *series: str) -> float:
        """The first number of a series."""
        with closing(Ledger.open(self.state)) as ledger:
            count = ledger.counts.get(series)
            return count.amounts[0] if count else 0.0


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    """A configuration with a source of each vendor, and no state yet."""
    return Place(tmp_path, capsys)


class TestDocuments:
    """What is in the files is counted, as if it had been polled."""

    def test_both_vendors(self, place: Place) -> None:
        """Which source a file counts for shows in it; a line tells of each and one of all."""
        stream = place.write("stream.json", [room(1), room(2)])
        answer = place.write("answer.json", audio_stats(3, session_id="s", peer_id="p", room_id="r"))
        assert place.ingest(stream, answer) == (
            0,
            [
                "stream.json: 2 new, 0 grown, 0 duplicate, 0 rejected",
                "answer.json: 1 new, 0 grown, 0 duplicate, 0 rejected",
                "all: 3 new, 0 grown, 0 duplicate, 0 rejected",
            ],
            [],
        )
        assert place.counted("webrtc_sessions_total", "watch", "room 2") == 1.0
        assert place.counted("webrtc_sessions_total", "meet", "r") == 1.0
        assert place.counted("webrtc_exporter_samples_rejected_total", "meet", "out_of_range") == 0.0
        assert findings(place.state) == []

    def test_the_same_again(self, place: Place) -> None:
        """Under another name and compressed, too, it adds nothing."""
        place.ingest(place.write("a.json", [room(1)]))
        again = place.write("b.json.gz", gzip.compress(json.dumps([room(1), room(2)]).encode()))
        assert place.ingest(again) == (0, ["b.json.gz: 1 new, 0 grown, 1 duplicate, 0 rejected"], [])
        assert place.counted("webrtc_sessions_total", "watch", "room 1") == 1.0

    def test_growth(self, place: Place) -> None:
        """Statistics that have become more add what is new."""
        identity = {"session_id": "s", "peer_id": "p", "room_id": "r"}
        place.ingest(place.write("a.json", audio_stats(2, **identity)))
        assert place.ingest(place.write("b.json", audio_stats(5, **identity))) == (
            0,
            ["b.json: 0 new, 1 grown, 0 duplicate, 0 rejected"],
            [],
        )

    def test_what_was_polled_is_known(self, place: Place) -> None:
        """The marks are those of an exporter: a file of the store that it has read adds nothing."""
        place.ingest(place.write("a.json", [room(1)]))
        with exporting(place.state) as exporter:
            (session,) = [stored.session for stored in exporter.ledger.sessions()]
            assert session.key.source == "watch"
            assert exporter.ledger.counts["webrtc_sessions_total", "watch", "room 1"].held

    def test_folders(self, place: Place) -> None:
        """Everything in them is read in the order of the names, but what is hidden or unfinished."""
        place.write("in/b.json", [room(1)])
        place.write("in/a/z.json", [room(2)])
        for name in ("in/.hidden.json", "in/.git/x.json", "in/c.json.tmp", "in/d.part", "in/e.json~"):
            place.write(name, [room(3)])
        assert place.ingest(place.folder / "in") == (
            0,
            [
                "in/b.json: 1 new, 0 grown, 0 duplicate, 0 rejected",
                "in/a/z.json: 1 new, 0 grown, 0 duplicate, 0 rejected",
                "all: 2 new, 0 grown, 0 duplicate, 0 rejected",
            ],
            [],
        )

    def test_what_is_too_old_to_be_told_from_what_was_counted(self, place: Place) -> None:
        """It is not counted, and that is said."""
        place.ingest(place.write("a.json", [room(1)]))
        with closing(Ledger.open(place.state)) as ledger, ledger.transaction(NOW) as transaction:
            transaction.raise_tally("watch", "forgotten_before", NOW * 2)
        code, told, problems = place.ingest(place.write("b.json", [room(2)]))
        assert (code, told) == (0, ["b.json: 0 new, 0 grown, 0 duplicate, 1 rejected"])
        (problem,) = problems
        assert problem.startswith(
            "b.json: session '2026-03-01T12:00:00Z' in room 'room 2' is from a time of which nobody"
        )


class TestProblems:
    """Each is one line: file, place, what and what was expected; it costs nothing else."""

    def test_a_bad_room_among_good_ones(self, place: Place) -> None:
        """The others count, and the file could be used."""
        file = place.write("a.json", b'[{"room_id": 5}, %s, {"room' % json.dumps(room(1)).encode())
        code, told, problems = place.ingest(file)
        assert (code, told) == (0, ["a.json: 1 new, 0 grown, 0 duplicate, 2 rejected"])
        assert problems == [
            "a.json: element 1 at byte 1: expected a `room_url` or a `start_time`, got neither",
            f"a.json: element 3 at byte {len(file.read_bytes()) - 6}: cut off, or no JSON; expected a room",
        ]

    def test_nothing_good(self, place: Place) -> None:
        """Such a file could not be used, the next time neither, when nothing of it is news any more."""
        file = place.write("a.json", [{"room_id": 5}])
        for rejected in (1, 0):
            code, told, problems = place.ingest(file)
            assert (code, told) == (1, [f"a.json: 0 new, 0 grown, 0 duplicate, {rejected} rejected"])
            assert len(problems) == 1

    def test_other_files_are_read_all_the_same(self, place: Place) -> None:
        """One that is not there, one that is no document, one that is fine."""
        noise = place.write("noise.bin", b"\x00\x01\x02")
        good = place.write("good.json", [room(1)])
        code, told, problems = place.ingest(place.folder / "none.json", noise, good)
        assert code == 1
        assert told == [
            "none.json: 0 new, 0 grown, 0 duplicate, 0 rejected",
            "noise.bin: 0 new, 0 grown, 0 duplicate, 0 rejected",
            "good.json: 1 new, 0 grown, 0 duplicate, 0 rejected",
            "all: 1 new, 0 grown, 0 duplicate, 0 rejected",
        ]
        assert problems == [
            "none.json: cannot be read (No such file or directory); expected a file or folder",
            "noise.bin: it looks like no document of meet, watch; expected one of theirs, or --source",
        ]

    def test_an_empty_file(self, place: Place) -> None:
        """Each vendor's package says what it expected."""
        file = place.write("a.json", b"")
        place.configure(MEET)
        assert place.ingest(file)[2] == ["a.json: it is empty; expected an answer of peer-stats"]
        place.configure(WATCH)
        assert place.ingest(file)[2] == ["a.json: byte 0: the document is empty; expected an array of rooms"]

    def test_many_make_few_lines(self, place: Place) -> None:
        """The first of them, and how many more there are."""
        file = place.write("a.json", [{"room_id": number} for number in range(25)])
        _, told, problems = place.ingest(file)
        assert told == ["a.json: 0 new, 0 grown, 0 duplicate, 25 rejected"]
        assert len(problems) == 11
        assert problems[10] == "a.json: 15 more problems"

    def test_an_empty_folder(self, place: Place) -> None:
        """It is no success to have read nothing."""
        (place.folder / "empty").mkdir()
        code, told, problems = place.ingest(place.folder / "empty")
        assert (code, told) == (1, ["all: 0 new, 0 grown, 0 duplicate, 0 rejected"])
        assert problems == ["empty: there are no files in it; expected data streams or saved answers"]

    def test_a_name_that_moves_the_cursor(self, place: Place) -> None:
        """It is told so that it does not."""
        code, told, problems = place.ingest(place.write("a\n\x1b[2J.json", [{"room_id": 5}]))
        assert code == 1
        assert all(line.isprintable() for line in (*told, *problems))
        assert len(told) == len(problems) == 1

    def test_a_wrong_configuration(self, place: Place) -> None:
        """It is named as serve names it, and no state is begun."""
        place.config.write_text("sources: 5\n")
        code, told, problems = place.ingest(place.write("a.json", [room(1)]))
        assert (code, told) == (1, [])
        assert problems[0].startswith("config.yaml:1: sources: ")
        assert not place.state.exists()

    def test_other_buckets(self, place: Place) -> None:
        """The state is as particular as with serve."""
        place.ingest(place.write("a.json", [room(1)]))
        place.configure(WATCH, metrics={"buckets": {"webrtc_peer_session_mos": [1.0, 2.0]}})
        code, _, problems = place.ingest(place.write("b.json", [room(2)]))
        assert code == 1
        assert "webrtc_peer_session_mos: the buckets differ" in problems[0]

    def test_a_running_exporter(self, place: Place) -> None:
        """It keeps its state; the way in is named, with the source's name where only one comes into question."""
        file = place.write("a.json", [room(1)])
        with closing(Ledger.open(place.state)):
            code, told, problems = place.ingest(file)
            assert (code, told) == (1, [])
            (problem,) = problems
            assert problem.startswith("state/state.lock: another process uses this state; stop it")
            assert problem.endswith("; a running exporter takes documents by POST /ingest/NAME")
            assert place.ingest(file, source="watch")[2][0].endswith("by POST /ingest/watch")


class TestBorder:
    """What serve keeps out of the state and the log is kept out here."""

    @pytest.fixture(autouse=True)
    def concealed(self) -> Iterator[None]:
        """Log lines say everything again afterwards."""
        yield
        logs.conceal(None)

    def test_pseudonyms(self, place: Place) -> None:
        """Neither the state nor what is told holds what a chosen label stands for; the file's name is told."""
        place.configure(WATCH, metrics={"pseudonyms": {"labels": ["room_id", "peer_id"], "salt": "s" * 32}})
        secret = a_room("secretroom", peers=[{"peer_id": "secretpeer", "duration": 60, "stats": {"mos": 4.0}}])
        file = place.write("a.json", [secret, {"room_id": "secretroom"}])
        code, told, problems = place.ingest(file)
        assert (code, told) == (0, ["a.json: 1 new, 0 grown, 0 duplicate, 1 rejected"])
        (problem,) = problems
        assert problem.startswith("a.json: ")
        assert "expected a `room_url` or a `start_time`, got neither" in problem
        assert "secret" not in problem
        assert all(formatter.discretion for formatter in our_log_lines())
        for each in place.state.iterdir():
            assert b"secret" not in each.read_bytes()
        assert place.ingest(file)[1] == ["a.json: 0 new, 0 grown, 1 duplicate, 0 rejected"]
        assert findings(place.state) == []

    def test_another_salt(self, place: Place) -> None:
        """The state is not gone on with, as it would count everything again."""
        file = place.write("a.json", [room(1)])
        for salt, code in (("s" * 32, 0), ("t" * 32, 1)):
            place.configure(WATCH, metrics={"pseudonyms": {"labels": ["peer_id"], "salt": salt}})
            ended, _, problems = place.ingest(file)
            assert ended == code
        assert "the state holds pseudonyms of another salt" in problems[0]

    def test_a_salt_that_cannot_be_read(self, place: Place) -> None:
        """It is said before anything is begun."""
        place.configure(WATCH, metrics={"pseudonyms": {"labels": ["peer_id"], "salt_file": "none"}})
        code, told, problems = place.ingest(place.write("a.json", [room(1)]))
        assert (code, told) == (1, [])
        assert problems == ["metrics.pseudonyms.salt_file: none: cannot be read: No such file or directory"]
        assert not place.state.exists()

    def test_shards(self, place: Place) -> None:
        """Each counts its own sessions; together they count all of them once."""
        rooms = [{**room(number), "start_time": f"2026-03-01T12:00:{number:02d}Z"} for number in range(20)]
        file = place.write("a.json", rooms)
        counted = []
        for index in range(3):
            place.state = place.folder / f"state {index}"
            place.configure(WATCH, shard={"index": index, "count": 3})
            code, told, problems = place.ingest(file)
            assert (code, problems) == (0, [])
            counted.append(int(told[0].split()[1]))
        assert sum(counted) == 20
        assert all(counted)


class TestView:
    """What is in view stays within its limits, however much is fed."""

    def test_it_is_trimmed_while_feeding(self, tmp_path: Path) -> None:
        """The oldest sessions leave first, as with serve; that is counted, and the counts stay."""
        now = [NOW]
        settings = Settings(
            sources=(watchrtc_settings({"name": "watch", "url": "none"}),),
            source_types=("watchrtc",),
            metrics=MetricsSettings(histogram_rooms=False, max_series=200),
        )
        with closing(Ledger.open(tmp_path)) as ledger:
            counter = Counter(ledger, settings, Border(), lambda: now[0])
            most = 0
            for number in range(60):
                now[0] += 0.5
                of = key(f"s{number:02d}", source="watch")
                counter.commit("watch", Delivery(reports=(report(peer("p1", audio([0.1])), of=of),)))
                most = max(most, len(list(ledger.sessions())))
            counter.trim()
            left = [stored.session.key.session_id for stored in ledger.sessions()]
            assert most <= len(left) + 2 < 20
            assert left == [f"s{number:02d}" for number in range(60 - len(left), 60)]
            assert ledger.counts["webrtc_sessions_total", "watch"].amounts == [60.0]
            assert ledger.counts["webrtc_sessions_total", "watch"].held
            assert ledger.counts[EVICTED].amounts[0] > 0
        assert findings(tmp_path) == []

    def test_what_expires_meanwhile(self, tmp_path: Path) -> None:
        """Sessions that a stopped exporter left in view go as they would have gone."""
        with exporting(tmp_path) as exporter:
            exporter.deliver("watch", report(peer("p1", audio([0.1])), of=key("old", source="watch")))
        settings = Settings(sources=(watchrtc_settings({"name": "watch", "url": "none"}),), source_types=("watchrtc",))
        with closing(Ledger.open(tmp_path)) as ledger:
            Counter(ledger, settings, Border(), lambda: NOW + 4000.0).trim()
            assert list(ledger.sessions()) == []
            assert ledger.counts["webrtc_sessions_total", "watch", "standup"].amounts == [1.0]


class TestChoice:
    """Which source a file counts for."""

    def test_the_only_one(self, place: Place) -> None:
        """Where there is no choice the content does not matter, so that its mistakes are told."""
        place.configure(WATCH)
        assert place.ingest(place.write("a.json", [{"room_id": 5}]))[2][0].startswith("a.json: element 1")

    def test_named(self, place: Place) -> None:
        """Its name decides between several of one vendor."""
        place.configure(MEET, WATCH, {**WATCH, "name": "other"})
        file = place.write("a.json", [room(1)])
        code, _, problems = place.ingest(file)
        assert (code, problems) == (
            1,
            ["a.json: several sources could have made it (watch, other); expected --source with one of them"],
        )
        assert place.ingest(file, source="other")[0] == 0
        assert place.counted("webrtc_sessions_total", "other", "room 1") == 1.0

    def test_an_unknown_name(self, place: Place) -> None:
        """The names that there are are told."""
        code, _, problems = place.ingest(place.write("a.json", [room(1)]), source="nobody")
        assert code == 1
        assert problems == ["--source: expected the name of a source that reads files, one of meet, watch; got nobody"]

    @pytest.mark.parametrize(
        ("beginning", "chosen"),
        [
            (b'{"peer_id": "p", "session_id": "s"}', "meet"),
            (b'{"publisher": {}}', "meet"),
            (b'\n[ {"subscriber": {}}', "meet"),
            (b"\xef\xbb\xbf" + audio_stats(2), "meet"),
            (gzip.compress(audio_stats(2), mtime=0), "meet"),
            (b"[]", "watch"),
            (b'[{"room_id": "r", "room_url": "u"', "watch"),
            (b'{"rooms": []}', "watch"),
            (b'[{"room_id": 5}]', "watch"),
            (b'{"room_id": "r",\n"peers": []}\n{"room_id": "r", "peers": []}', "watch"),
            (gzip.compress(b'[{"room_id": "r", "peers": []}]', mtime=0), "watch"),
            (gzip.compress(b'[{"room_id": "r", "peers": []}]' * 9000, mtime=0)[:300], "watch"),
        ],
    )
    def test_by_content(self, beginning: bytes, chosen: str) -> None:
        """What the vendors' documents begin with, plain or gzip, tells them apart."""
        assert both().choose(beginning).source.name == chosen

    @pytest.mark.parametrize(
        "beginning",
        [b"", b"null", b"{}", b"<html>", b"\x1f\x8b\x08broken", b'"publisher":', b'{"peers": 1, "session_id": 2}'],
    )
    def test_not_by_content(self, beginning: bytes) -> None:
        """What is neither, or could be both, is nobody's."""
        with pytest.raises(ChoiceError, match=r"expected .*--source"):
            both().choose(beginning)


def our_log_lines() -> list[logs.LineFormatter]:
    """What makes the lines of the program's log."""
    formatters = [each.formatter for each in logging.getLogger().handlers]
    found = [each for each in formatters if isinstance(each, logs.LineFormatter)]
    assert found
    return found


def both() -> Readers:
    """A source of each vendor."""
    settings = Settings(
        sources=(hundredms_settings({"name": "meet"}), watchrtc_settings({"name": "watch", "url": "none"})),
        source_types=("100ms", "watchrtc"),
    )
    return Readers(settings, source_types(), None)


class TestFeeding:
    """One file, delivery by delivery."""

    @staticmethod
    def feed(
        path: Path,
        makes: Iterable[Delivery | Exception],
        *,
        stop_after: int = 99,
        words: Callable[[object], str] = str,
    ) -> tuple[Outcome, int, int]:
        """Feeds a file whose reader makes the given; what came of it, the commits, and the bytes that were read."""
        commits: list[Delivery] = []
        read: list[int] = []

        def deliveries(_: object, pieces: Iterator[bytes], place: str) -> Iterator[Delivery]:
            assert place == str(path)
            for each in makes:
                next(pieces, None)
                if isinstance(each, Exception):
                    raise each
                yield each

        def commit(source: str, delivery: Delivery) -> Committed:
            assert source == "watch"
            commits.append(delivery)
            return Committed()

        readers = both()
        reader = readers.choose(b"[]")
        (reader,) = [type(reader)(reader.source, type(reader.saved)(looks_like=bool, read=deliveries))]
        readers._readers = [reader]  # noqa: SLF001 - a vendor that does what the test says
        feeding = Feeding(readers, commit, lambda: len(commits) >= stop_after, read.append, words)
        return feeding.feed(path), len(commits), sum(read)

    def test_it_stops_between_two_commits(self, tmp_path: Path) -> None:
        """What was committed is counted, and nothing more is begun."""
        (tmp_path / "a").write_bytes(b"x" * 3_000_000)
        outcome, commits, read = self.feed(tmp_path / "a", [Delivery(reports=(report(),))] * 5, stop_after=1)
        assert (outcome.usable, outcome.stopped, commits, read) == (True, True, 1, 2 << 20)

    def test_a_document_that_is_refused(self, tmp_path: Path) -> None:
        """Its reason is told with the file; what came before stays."""
        (tmp_path / "a").write_bytes(b"x")
        good = Delivery(reports=(report(peer("p", audio([0.1]))),))
        outcome, commits, _ = self.feed(tmp_path / "a", [good, UnusableBodyError("expected an object")])
        assert (outcome.usable, commits) == (True, 1)
        assert outcome.problems == [f"{tmp_path}/a: expected an object"]

    def test_a_fault_of_ours(self, tmp_path: Path) -> None:
        """It is told without its text, which may hold what the file has, and ends only this file."""
        (tmp_path / "a").write_bytes(b"x")
        outcome, _, _ = self.feed(tmp_path / "a", [KeyError("secret")])
        assert not outcome.usable
        assert outcome.problems == [f"{tmp_path}/a: cannot be read, by a fault of this program: KeyError"]

    def test_a_disk_that_fails(self, tmp_path: Path) -> None:
        """What the system says is told."""
        (tmp_path / "a").write_bytes(b"x")
        outcome, _, _ = self.feed(tmp_path / "a", [OSError(5, "Input/output error")])
        assert outcome.problems == [f"{tmp_path}/a: cannot be read (Input/output error); expected a file or folder"]

    def test_only_rejections(self, tmp_path: Path) -> None:
        """They are told as the reader says them, with the file."""
        (tmp_path / "a").write_bytes(b"x")
        said = [f"{tmp_path}/a: element 1: broken", "element 2: broken"]
        bad = [RejectedDocument(reason="malformed", digest=each.encode(), message=each) for each in said]
        outcome, _, _ = self.feed(tmp_path / "a", [Delivery(rejected=tuple(bad))])
        assert not outcome.usable
        assert outcome.problems == [f"{tmp_path}/a: element 1: broken", f"{tmp_path}/a: element 2: broken"]

    def test_what_may_not_be_said(self, tmp_path: Path) -> None:
        """Where there are pseudonyms a message loses its quotes; the file and our own words stay."""
        (tmp_path / "a").write_bytes(b"x")
        message = told(quote(f"{tmp_path}/a"), ": room ", quote("secret"), " is broken")
        bad = RejectedDocument(reason="malformed", digest=b"d", message=message)
        refused = UnusableBodyError(told("no ", quote("secret")))
        words = Discretion(lambda _: "<hidden>", ()).told
        outcome, _, _ = self.feed(tmp_path / "a", [Delivery(rejected=(bad,)), refused], words=words)
        assert outcome.problems == [
            f"{tmp_path}/a: <hidden>: room <hidden> is broken",
            f"{tmp_path}/a: no <hidden>",
        ]

    def test_a_document_without_anything_in_it(self, tmp_path: Path) -> None:
        """An empty array is no mistake."""
        (tmp_path / "a").write_bytes(b"[]")
        assert self.feed(tmp_path / "a", [Delivery()])[0].usable


class TestFiles:
    """What there is to read, and how much."""

    def test_size_and_order(self, tmp_path: Path) -> None:
        """As named; what is not there counts nothing yet."""
        (tmp_path / "b").write_bytes(b"12345")
        (tmp_path / "a").write_bytes(b"123")
        files = find_files([tmp_path / "b", tmp_path / "none", tmp_path / "a", tmp_path / "b"])
        assert [path.name for path in files.paths] == ["b", "none", "a", "b"]
        assert (files.size, files.problems) == (13, ())

    def test_links(self, tmp_path: Path) -> None:
        """Those to files are read, those to folders and to nowhere are not."""
        (tmp_path / "in").mkdir()
        (tmp_path / "real").write_bytes(b"1")
        (tmp_path / "in" / "file").symlink_to(tmp_path / "real")
        (tmp_path / "in" / "up").symlink_to(tmp_path)
        (tmp_path / "in" / "nowhere").symlink_to(tmp_path / "none")
        assert [path.name for path in find_files([tmp_path / "in"]).paths] == ["file"]

    def test_a_folder_that_may_not_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is told; the others are read."""
        (tmp_path / "bad").mkdir()
        (tmp_path / "good").mkdir()
        (tmp_path / "good" / "a").write_bytes(b"1")
        listed = os.scandir

        def scandir(path: str) -> object:
            if Path(path).name == "bad":
                raise PermissionError(13, "Permission denied", path)
            return listed(path)

        monkeypatch.setattr(os, "scandir", scandir)
        files = find_files([tmp_path])
        assert [path.name for path in files.paths] == ["a"]
        assert files.problems == (f"{tmp_path}/bad: the folder cannot be read (Permission denied)",)


class TestStop:
    """How it is asked to stop."""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal(self, number: signal.Signals) -> None:
        """It is noted, and the next one does what it always does; afterwards all is as it was."""
        before = signal.getsignal(number)
        with Stop().on_signals() as stop:
            assert not stop()
            signal.raise_signal(number)
            assert stop()
            assert stop.exit_code == 128 + number
            assert signal.getsignal(number) is before
        assert signal.getsignal(number) is before

    def test_no_signal(self) -> None:
        """Then all is as it was, too."""
        before = signal.getsignal(signal.SIGTERM)
        with Stop().on_signals():
            assert signal.getsignal(signal.SIGTERM) is not before
        assert signal.getsignal(signal.SIGTERM) is before
