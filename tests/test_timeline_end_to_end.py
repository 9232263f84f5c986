"""From the vendors to the databases by the real process: every window at its own time, whatever fails on the way."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
from msgspec import Struct

from exporter.demo.hundredms_server import Faults
from exporter.ledger.reading import look
from exporter.ledger.timeline import rows_within
from tests.live.process import Exporter, running_exporter
from tests.live.receivers import Database, receiving_prometheus, victoria_metrics
from tests.live.vendors import TOKEN, Vendors, simulated_vendors
from tests.oracle.documents import read_hundredms, read_watchrtc
from tests.oracle.prometheus import require_tool
from tests.test_timeline_live import EVERYTHING, Lines, assert_same, expected_lines, stored
from tests.timeline_support import Reply, Request, in_turn, recording_receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.live

_PATIENCE = 120.0
FAST = {"batch_send_deadline": "100ms", "min_backoff": "20ms", "max_backoff": "100ms"}


@pytest.fixture(scope="module")
def now() -> float:
    """When the tests run, to the second."""
    return float(int(time.time()))


@pytest.fixture(scope="module")
def vendors(tmp_path_factory: pytest.TempPathFactory, now: float) -> Iterator[Vendors]:
    """Meetings that ended two hours ago."""
    with simulated_vendors(tmp_path_factory.mktemp("vendors") / "streams", now - 7200.0, Faults()) as running:
        yield running


class Told(Struct, frozen=True):
    """What the documents say, by the oracle."""

    #: Every line of every peer.
    lines: Lines
    #: By source how many reports there are: one a peer of 100ms, one a room of watchRTC.
    reports: dict[str, float]

    @property
    def samples(self) -> int:
        """Of all lines; verdicts and markers are sent beside them."""
        return sum(map(len, self.lines.values()))


@pytest.fixture(scope="module")
def told(vendors: Vendors) -> Told:
    """What those meetings were."""
    return told_by(vendors)


def told_by(vendors: Vendors) -> Told:
    """Reads all documents."""
    calls = read_hundredms("meetings", vendors.session_rows(), vendors.peer_stats(), ("__internal_recorder",), {})
    rooms = read_watchrtc("watch", vendors.rooms(), ())
    reports = {"meetings": float(sum(len(call.peers) for call in calls)), "watch": float(len(rooms))}
    return Told(expected_lines([*calls, *rooms]), reports)


def configure(vendors: Vendors, folder: Path, *receivers: dict[str, object], **parts: object) -> Path:
    """Writes a configuration."""
    (folder / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
    meetings = {
        "name": "meetings",
        "type": "100ms",
        "base_url": vendors.base_url,
        "auth": {"management_token_file": str(folder / "token")},
        "discovery": {"poll_interval": "1s", "lookback": "1d"},
        "peer_stats": {"requests_per_second": 500, "settle_delay": "0s", "recheck_after": [], "give_up_after": "1s"},
    }
    watch = {
        "name": "watch",
        "type": "watchrtc",
        "url": str(vendors.folder),
        "poll_interval": "1s",
        "min_object_age": "0s",
    }
    written = [{"queue_config": FAST, "max_sample_age": "23h", **receiver} for receiver in receivers]
    path = folder / "config.yaml"
    content = {"sources": [meetings, watch], "remote_write": written, **parts}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def waits(exporter: Exporter, remote: str = "one") -> float:
    """How many samples wait for a receiver."""
    return gauge(exporter, f'remote_write_queue_samples{{remote="{remote}"}}')


def gauge(exporter: Exporter, line: str) -> float:
    """A number about the exporter; -1 where there is none yet."""
    for found in exporter.page().splitlines():
        name, _, value = found.rpartition(" ")
        if name == f"webrtc_exporter_{line}":
            return float(value)
    return -1.0


def until(what: str, holds: Callable[[], object]) -> None:
    """Waits until something holds."""
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"not within {_PATIENCE} s: {what}"
        time.sleep(0.05)


def ingested(exporter: Exporter, told: Told) -> bool:
    """Whether every report is in the state; that nothing waits to be fetched may only mean that it is not known yet."""
    lines = {source: f'reports_ingested_total{{source="{source}"}}' for source in told.reports}
    return {source: gauge(exporter, line) for source, line in lines.items()} == told.reports


def everything_is_there(database: Database, told: Told, now: float) -> Callable[[], bool]:
    """Whether a database has as many samples as there are."""

    def holds() -> bool:
        database.flush()
        return sum(map(len, stored(database, EVERYTHING, now).values())) >= told.samples

    return holds


@contextmanager
def running(config: Path, folder: Path) -> Iterator[Exporter]:
    """The real process."""
    with running_exporter(config, folder / "state", "--web.enable-lifecycle", measured=False) as exporter:
        yield exporter


@pytest.mark.parametrize("kind", ["prometheus", "victoria"])
def test_a_call_of_two_hours_ago_is_there_as_it_was(
    kind: str, vendors: Vendors, told: Told, tmp_path: Path, now: float
) -> None:
    """To the millisecond and the last digit, nothing before and nothing after; and nothing of it is there now."""
    start = receiving_prometheus if kind == "prometheus" else victoria_metrics
    with start(tmp_path / kind) as database:
        config = configure(vendors, tmp_path, {"url": database.url, "name": "one"})
        with running(config, tmp_path) as exporter:
            exporter.until("all is ingested", lambda: ingested(exporter, told))
            exporter.until("all is acknowledged", lambda: not kept_rows(tmp_path / "state"))
            exporter.until("it shows", lambda: (waits(exporter), gauge(exporter, "timeline_bytes")) == (0, 0))
            sent = gauge(exporter, 'remote_write_samples_sent_total{remote="one"}')
            exporter.until("all can be asked for", everything_is_there(database, told, now))
            assert exporter.stop() == 0
        assert_same(stored(database, EVERYTHING, now), told.lines)
        assert database.at(EVERYTHING, now) == []
        # Markers and verdicts are sent, too.
        assert sent > told.samples
        begin, end = round((now - 4 * 3600) * 1000), round(now * 1000)
        over = {
            frozenset(labels.items()): samples
            for labels, samples in database.over('webrtc_timeline_connected{source="meetings"}', begin, end, 60_000)
        }
        assert over
        for samples in over.values():
            assert begin < samples[0][0] <= samples[-1][0] <= round((now - 7200.0) * 1000) + 60_000
        # A restart finds nothing to do.
        with running(config, tmp_path) as again:
            again.until_ready()
            again.until("nothing waits", lambda: waits(again) == 0)
            assert gauge(again, 'remote_write_samples_sent_total{remote="one"}') == 0


class Gateway:
    """Stands before a database: away, or handing on."""

    def __init__(self) -> None:
        self.database: Database | None = None
        #: Called with the number of the request, from 1, before it is handed on and before it is answered.
        self.meanwhile: Callable[[int], None] = lambda _: None
        self.asked = 0
        #: What the database has stored.
        self.taken: list[Request] = []

    def __call__(self, request: Request) -> Reply | None:
        """Answers one request."""
        if self.database is None:
            return None
        self.asked += 1
        number = self.asked
        self.meanwhile(2 * number - 1)
        passed = {name: request.headers[name] for name in ("content-type", "content-encoding")}
        try:
            answer = httpx.post(self.database.url, content=request.body, headers=passed, trust_env=False)
        except httpx.TransportError:
            return None
        self.taken += [request] if answer.is_success else []
        self.meanwhile(2 * number)
        return Reply(answer.status_code, answer.content)


def test_killed_while_sending_and_the_receiver_away(vendors: Vendors, told: Told, tmp_path: Path, now: float) -> None:
    """First nobody is there; then it is killed before and after what it sent is stored; all arrives as it was."""
    gateway = Gateway()
    with recording_receiver(gateway) as front:
        queue = {**FAST, "max_samples_per_send": 400, "capacity": 1000}
        config = configure(vendors, tmp_path, {"url": front.url, "name": "one", "queue_config": queue})
        with running(config, tmp_path) as exporter:
            exporter.until("it is refused", lambda: gauge(exporter, 'remote_write_up{remote="one"}') == 0)
            exporter.until("all is ingested", lambda: ingested(exporter, told))
            exporter.until("all waits", lambda: waits(exporter) > told.samples)
            assert gauge(exporter, 'remote_write_samples_failed_total{remote="one"}') > 0
            exporter.stop(signal.SIGKILL)
        with receiving_prometheus(tmp_path / "prometheus") as database:
            gateway.database = database
            for place in (1, 4):
                kill_at(gateway, place, config, tmp_path)
        # The database is restarted in the middle, too: for a while nobody answers.
        with (
            running(config, tmp_path) as exporter,
            receiving_prometheus(tmp_path / "prometheus") as database,
        ):
            gateway.database = database
            exporter.until("all is there", everything_is_there(database, told, now))
            exporter.until("nothing waits", lambda: waits(exporter) == 0)
            assert_same(stored(database, EVERYTHING, now), told.lines)
    # A stay is acknowledged when all of it is there: of what was sent before a kill, at most the request in hand was
    # sent again, and the stay that it goes on with.
    sent = [
        (labels["session_id"], labels["peer_id"], str(labels), time)
        for each in gateway.taken
        for labels, line in each.series
        for time, _ in line
    ]
    largest = max(Counter(each[:2] for each in set(sent)).values())
    assert 0 < len(sent) - len(set(sent)) <= 2 * (400 + largest)


def kill_at(gateway: Gateway, place: int, config: Path, folder: Path) -> None:
    """Runs the exporter until a request, before it is handed on (odd places) or before it is answered (even ones)."""
    killed = threading.Event()
    with running(config, folder) as exporter:

        def kill(number: int) -> None:
            if number == place:
                exporter.process.kill()
                killed.set()

        gateway.asked, gateway.meanwhile = 0, kill
        assert killed.wait(_PATIENCE)
        exporter.process.wait(_PATIENCE)
    gateway.meanwhile = lambda _: None


def test_receivers_come_and_go_and_do_not_mind_each_other(
    vendors: Vendors, told: Told, tmp_path: Path, now: float
) -> None:
    """One always fails; one is added by a reload and gets what is still there; one is removed and leaves nothing."""
    with (
        receiving_prometheus(tmp_path / "one") as one,
        receiving_prometheus(tmp_path / "two") as two,
        recording_receiver(in_turn(Reply(500, b"no"))) as bad,
    ):
        receivers: list[dict[str, object]] = [{"url": one.url, "name": "one"}, {"url": bad.url, "name": "bad"}]
        config = configure(vendors, tmp_path, *receivers)
        with running(config, tmp_path) as exporter:
            exporter.until("the good one has all", everything_is_there(one, told, now))
            exporter.until("nothing waits", lambda: waits(exporter) == 0)
            exporter.until("all waits for the bad one", lambda: waits(exporter, "bad") > told.samples)
            configure(vendors, tmp_path, *receivers, {"url": two.url, "name": "two"})
            assert exporter.post("/-/reload").status_code == httpx.codes.OK
            # What the bad one keeps in the log is there for the new one.
            exporter.until("the new one has all", everything_is_there(two, told, now))
            assert_same(stored(two, EVERYTHING, now), told.lines)
            configure(vendors, tmp_path, receivers[0])
            assert exporter.post("/-/reload").status_code == httpx.codes.OK
            exporter.until("the log is empty", lambda: gauge(exporter, "timeline_bytes") == 0)
            assert 'remote="bad"' not in exporter.page()
            assert gauge(exporter, 'remote_write_samples_sent_total{remote="one"}') > 0
        assert_same(stored(one, EVERYTHING, now), told.lines)


def test_a_prometheus_that_scrapes_the_page_stores_exactly_the_windows(
    vendors: Vendors, told: Told, tmp_path: Path, now: float
) -> None:
    """From a job of its own; the target stays up, and what was there long enough is gone from the page."""
    config = configure(vendors, tmp_path, timeline={"endpoint": True, "expose_for": "5s"})
    with running(config, tmp_path) as exporter:
        exporter.until("all is ingested", lambda: ingested(exporter, told))
        exporter.until("all waits", lambda: waits(exporter, "/timeline") > told.samples)
        assert "webrtc_timeline" not in exporter.page()
        job = {
            "job_name": "timeline",
            "metrics_path": "/timeline",
            "scrape_interval": "3s",
            "scrape_timeout": "3s",
            "static_configs": [{"targets": [exporter.address]}],
        }
        with receiving_prometheus(tmp_path / "prometheus", scrape=[job]) as database:
            exporter.until("all is there", everything_is_there(database, told, now))
            exporter.until("nothing waits", lambda: waits(exporter, "/timeline") == 0)
            exporter.until("the page is empty", lambda: "webrtc_timeline" not in exporter.get("/timeline").text)
            ups = [value for _, samples in database.raw("up", time.time(), 600) for _, value in samples]
            found = stored(database, EVERYTHING, now)
        assert ups
        assert set(ups) == {1.0}
        own = {"job": "timeline", "instance": exporter.address}
        assert_same(found, {relabelled(each, own): samples for each, samples in told.lines.items()})


def relabelled(each: frozenset[tuple[str, str]], own: dict[str, str]) -> frozenset[tuple[str, str]]:
    """A series with the labels of a scrape in place of those that are sent."""
    return frozenset({**dict(each), **own}.items())


def test_blocks_of_the_backfill_are_what_would_have_been_sent(tmp_path: Path, now: float) -> None:
    """From the state of a running exporter, which goes on undisturbed, and from files alone; promtool takes both."""
    scenarios = ("good_call", "bad_uplink", "screen_share")
    with simulated_vendors(tmp_path / "streams", now - 11_000.0, Faults(), scenarios) as vendors:
        told = told_by(vendors)
        config = configure(vendors, tmp_path, timeline={"keep": "1d"})
        with running(config, tmp_path) as exporter:
            exporter.until("all is ingested", lambda: ingested(exporter, told))
            kept = kept_rows(tmp_path / "state")
            assert kept
            written = backfilled(tmp_path / "state.om", config, now, f"--storage.path={tmp_path / 'state'}")
            assert kept_rows(tmp_path / "state") == kept
            assert exporter.get("/-/healthy").status_code == httpx.codes.OK
        assert_same(blocks(written, tmp_path / "from-state", now), told.lines)
        written = backfilled(tmp_path / "files.om", config, now, "--source=watch", str(vendors.folder))
        of_files = {each: samples for each, samples in told.lines.items() if ("source", "watch") in each}
        assert_same(blocks(written, tmp_path / "from-files", now), of_files)


def kept_rows(state: Path) -> list[tuple[int, int]]:
    """Row and samples of what the log holds, while the exporter goes on."""
    return look(
        state, lambda connection: [(row, samples) for row, samples, _ in rows_within(connection, 0.0, math.inf)]
    )


def backfilled(output: Path, config: Path, now: float, *more: str) -> Path:
    """Runs the command as a person does."""
    span = (f"--from={now - 14_400.0}", f"--to={now - 10_900.0}")
    command = [sys.executable, "-m", "exporter", "backfill", f"--config.file={config}", *span, f"--output={output}"]
    done = subprocess.run([*command, *more], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return output


def blocks(written: Path, folder: Path, now: float) -> Lines:
    """What a Prometheus has that is started on the blocks of a file."""
    command = [require_tool("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(written)]
    made = subprocess.run([*command, str(folder / "data")], check=False, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    with receiving_prometheus(folder) as database:
        return stored(database, EVERYTHING, now)
