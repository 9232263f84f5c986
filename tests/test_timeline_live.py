"""The timeline in real databases: Prometheus and VictoriaMetrics show what the vendors' documents say, when it was."""

from __future__ import annotations

import json
import ssl
import subprocess
import time
from datetime import datetime
from typing import TYPE_CHECKING

import bcrypt
import httpx
import pytest
import trustme
from msgspec import Struct
from msgspec.structs import replace

from exporter.demo import hundredms_documents, watchrtc_documents
from exporter.demo.media import record
from exporter.demo.simulation import meeting
from exporter.metrics.catalogue import FAMILIES
from exporter.model import Peer, Report, SessionKey, Stream, Track, Window
from exporter.quality import Thresholds, judge_peer
from exporter.sources.hundredms.facts import PeerFacts, SessionFacts
from exporter.sources.hundredms.parser import parse_peer_stats
from exporter.sources.watchrtc.reader import read_document
from exporter.timeline.batching import batches
from exporter.timeline.openmetrics import text
from exporter.timeline.series import TimelineSeries, count
from exporter.timeline.shape import Shape
from tests.live.receivers import Database, receiving_prometheus, victoria_metrics
from tests.oracle.documents import Session as OracleSession
from tests.oracle.documents import read_hundredms, read_watchrtc
from tests.oracle.prometheus import require_tool
from tests.timeline_support import (
    FakeTime,
    RecordedEvents,
    Reply,
    Request,
    read_settings,
    recording_receiver,
    sending,
    series,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

pytestmark = [pytest.mark.live, pytest.mark.anyio]

#: How the oracle calls what a family shows.
FAMILY_OF = {
    "throughput": "webrtc_timeline_throughput_bytes_per_second",
    "packet_loss": "webrtc_timeline_packet_loss_ratio",
    "jitter": "webrtc_timeline_jitter_seconds",
    "round_trip_time": "webrtc_timeline_round_trip_time_seconds",
    "frame_rate": "webrtc_timeline_frames_per_second",
    "freezes": "webrtc_timeline_freezes",
    "concealed": "webrtc_timeline_concealed_samples",
}
OWN = {"job": "webrtc-quality-exporter", "instance": "shard-0"}
#: Long enough for a session that ended two hours ago.
FOUR_HOURS = 14_400

Key = frozenset[tuple[str, str]]
Lines = dict[Key, list[tuple[int, float]]]


class Call(Struct, frozen=True, kw_only=True):
    """A call that ended two hours ago: as its vendor tells it, as it is to be shown, and as we shape it."""

    end: float
    #: By labels without empty ones, as databases know no others; verdicts left out.
    expected: Lines
    series: tuple[TimelineSeries, ...]


def key(labels: Mapping[str, str]) -> Key:
    """What tells a series from others."""
    return frozenset((name, value) for name, value in labels.items() if value)


def expected_lines(sessions: Sequence[OracleSession]) -> Lines:
    """Every window of every stream at its own millisecond, by the oracle's reading of the documents."""
    lines: Lines = {}
    for session in sessions:
        for peer in session.peers:
            identity = {
                **OWN,
                "source": session.source,
                "room_id": session.room_id,
                "session_id": session.session_id,
                "peer_id": peer.peer_id,
            }
            assert peer.start is not None
            if peer.end is None:
                # It never connected: nobody knows when it left, and there is nothing to show.
                assert not any(stream.windows for stream in peer.streams)
                continue
            start, end = round(peer.start * 1000), round(peer.end * 1000)
            minutes = [*range(start, end, 60_000), end]
            lines[key({"__name__": "webrtc_timeline_connected", **identity})] = [(at, 1.0) for at in minutes]
            for stream in peer.streams:
                for metric, family in FAMILY_OF.items():
                    labels = key({"__name__": family, **identity, **stream.labels})
                    samples = [
                        (round(window["end"] * 1000), float(window[metric]))
                        for window in stream.windows
                        if metric in window
                    ]
                    if metric in stream.values:
                        samples = [(at, float(stream.values[metric])) for at in minutes]
                    if samples:
                        lines[labels] = samples
    return lines


def shaped(reports: Iterable[Report]) -> tuple[TimelineSeries, ...]:
    """All series of some reports."""
    shape, thresholds = Shape(FAMILIES), Thresholds()
    return tuple(
        each
        for report in reports
        for peer in report.peers
        for each in shape.peer(report.session.key, judge_peer(peer, thresholds)).series
    )


def hundredms_call(end: float) -> Call:
    """A call with a bad uplink, muted people and irregular clients, as 100ms tells it."""
    held = meeting("timeline", "bad_uplink", end - 240.0, minutes=4.0)
    recording = record(held)
    row = json.loads(json.dumps(hundredms_documents.session_row(held, held.end + 60.0)))
    session = SessionFacts(session_id=row["id"], room_id=row["room_id"])
    documents, reports = {}, []
    for entry in row["peers"].values() if isinstance(row["peers"], dict) else row["peers"]:
        number = next(n for n in range(len(held.participants)) if hundredms_documents.peer_id(held, n) == entry["id"])
        raw = json.dumps(hundredms_documents.peer_stats(recording, number)).encode()
        joined, left = (datetime.fromisoformat(entry[name]).timestamp() for name in ("joined_at", "left_at"))
        facts = PeerFacts(peer_id=entry["id"], joined=joined, left=left)
        report = parse_peer_stats(raw, session.session("meetings"), facts)
        assert isinstance(report, Report)
        reports.append(report)
        documents[row["id"], entry["id"]] = json.loads(raw)
    expected = expected_lines(read_hundredms("meetings", [row], documents, (), {}))
    return Call(end=held.end, expected=expected, series=shaped(reports))


def watchrtc_call(end: float) -> Call:
    """A call as watchRTC tells it: in summaries."""
    held = meeting("timeline", "good_call", end - 240.0, minutes=4.0)
    document = json.loads(json.dumps(watchrtc_documents.room_document(record(held))))
    reports = [each for each in read_document([json.dumps(document).encode()], "watch", ()) if isinstance(each, Report)]
    expected = expected_lines(read_watchrtc("watch", [document], ()))
    return Call(end=held.end, expected=expected, series=shaped(reports))


async def push(database_url: str, many: Iterable[TimelineSeries], now: float, **raw: object) -> RecordedEvents:
    """Sends as the exporter does; gives up at the first pause."""
    events, world = RecordedEvents(), FakeTime(now)
    settings = read_settings(database_url, **raw)

    def give_up(_: int) -> None:
        message = f"the receiver does not take it: {events.codes}"
        raise AssertionError(message)

    world.meanwhile = give_up
    async with sending(settings, world, events) as sender:
        for batch in batches(many, settings.queue_config.max_samples_per_send):
            await sender.send(batch)
    return events


def stored(database: Database, selector: str, now: float) -> Lines:
    """All that a database has, verdicts left out."""
    found = {key(labels): samples for labels, samples in database.raw(selector, now, FOUR_HOURS)}
    return {each: samples for each, samples in found.items() if ("__name__", "webrtc_timeline_verdict") not in each}


def assert_same(found: Lines, expected: Lines) -> None:
    """The same series; the same times, to the millisecond; the same values, but for the last digits of a mean."""
    assert found.keys() == expected.keys()
    for each, samples in expected.items():
        assert [time for time, _ in found[each]] == [time for time, _ in samples], each
        assert [value for _, value in found[each]] == pytest.approx([value for _, value in samples], rel=1e-12), each


def shown(samples: Sequence[tuple[int, float | None]], times: Iterable[int]) -> list[tuple[int, float]]:
    """What Prometheus shows of a series at some times: the last sample, not older than five minutes, if not stale."""
    points = []
    for at in times:
        before = [(time, value) for time, value in samples if at - 300_000 < time <= at]
        if before and before[-1][1] is not None:
            points.append((at, before[-1][1]))
    return points


@pytest.fixture(scope="module")
def now() -> float:
    """When the tests run, to the second."""
    return float(int(time.time()))


@pytest.fixture(scope="module")
def call(now: float) -> Call:
    """What 100ms tells."""
    return hundredms_call(now - 7200.0)


@pytest.fixture(scope="module")
def summarised_call(now: float) -> Call:
    """What watchRTC tells."""
    return watchrtc_call(now - 7200.0)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Debian's, with an out-of-order window of a day."""
    with receiving_prometheus(tmp_path_factory.mktemp("prometheus")) as database:
        yield database


@pytest.fixture(scope="module")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Debian's."""
    with victoria_metrics(tmp_path_factory.mktemp("victoria")) as database:
        yield database


@pytest.fixture(params=["prometheus", "victoria"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each of both."""
    found: Database = request.getfixturevalue(request.param)
    return found


EVERYTHING = '{__name__=~"webrtc_timeline_.*"}'
OF_CALLS = '{__name__=~"webrtc_timeline_.*",source=~"meetings|watch"}'


async def test_a_call_is_there_when_it_was(database: Database, call: Call, summarised_call: Call, now: float) -> None:
    """Exactly the windows of the documents, and nothing at now; sending it again changes nothing."""
    assert len(call.expected) > 60
    assert len(summarised_call.expected) > 20
    for _ in range(2):
        events = await push(database.url, [*call.series, *summarised_call.series], now)
        assert events.stored == count(call.series) + count(summarised_call.series)
        assert not events.given_up
        database.flush()
        assert_same(stored(database, OF_CALLS, now), {**call.expected, **summarised_call.expected})
        assert database.at(OF_CALLS, now) == []


async def test_lines_begin_and_end_with_the_call(prometheus: Database, call: Call, now: float) -> None:
    """A range query shows each line in its own time, pauses in it, and nothing before or after, second by second."""
    await push(prometheus.url, call.series, now)
    begin, finish = round((call.end - 900.0) * 1000), round((call.end + 900.0) * 1000)
    answer = prometheus.over(OF_CALLS.replace("meetings|watch", "meetings"), begin, finish, 1000)
    found = {key(labels): samples for labels, samples in answer}
    expected = {}
    for each in call.series:
        labels = key({"__name__": each.family, **OWN, **dict(each.labels)})
        expected[labels] = shown(list(each.samples()), range(begin, finish + 1, 1000))
    assert found == expected


async def test_averages_over_a_call_are_not_spoilt_by_its_end(prometheus: Database, call: Call, now: float) -> None:
    """Stale markers are no samples: means over time are those of the windows."""
    await push(prometheus.url, call.series, now)
    loss = [each for each in call.expected if ("__name__", "webrtc_timeline_packet_loss_ratio") in each]
    averages = {
        key(labels): samples[0][1]
        for labels, samples in prometheus.at(
            f'avg_over_time(webrtc_timeline_packet_loss_ratio{{source="meetings"}}[{FOUR_HOURS}s])', now
        )
    }
    for each in loss:
        values = [value for _, value in call.expected[each]]
        without_name = frozenset(pair for pair in each if pair[0] != "__name__")
        assert averages[without_name] == pytest.approx(sum(values) / len(values), rel=1e-9)


async def test_a_report_that_grows_goes_on_where_it_was(database: Database, now: float) -> None:
    """Half of the windows, then all of them: in the end what all at once would have been, each time once."""
    begin = round((now - 7200.0) * 1000)
    windows = tuple(
        Window(end=(begin + 10_000 * step + step) / 1000, seconds=10.0, packet_loss_ratio=step / 100)
        for step in range(1, 21)
    )
    whole = Peer(
        peer_id="grown",
        start=begin / 1000,
        end=(begin + 210_000) / 1000,
        streams=(Stream(direction="send", kind="audio", tracks=(Track(track_id="t", windows=windows),)),),
    )
    half = replace(
        whole,
        end=(begin + 100_500) / 1000,
        streams=(replace(whole.streams[0], tracks=(Track(track_id="t", windows=windows[:10]),)),),
    )
    shape, session = Shape(FAMILIES), SessionKey("grown", "room", "session")
    first = shape.peer(session, judge_peer(half, Thresholds()))
    then = shape.peer(session, judge_peer(whole, Thresholds()), first.sent)
    await push(database.url, first.series, now)
    await push(database.url, then.series, now)
    database.flush()
    found = stored(database, '{source="grown"}', now)
    (loss,) = (samples for each, samples in found.items() if ("direction", "send") in each)
    assert loss == [(begin + 10_000 * step + step, step / 100) for step in range(1, 21)]
    (connected,) = (samples for each, samples in found.items() if ("direction", "send") not in each)
    ends = (0, 60_000, 100_500, 120_000, 180_000, 210_000)
    assert connected == [(begin + after, 1.0) for after in ends]


async def test_one_poisoned_series_costs_itself(prometheus: Database, now: float) -> None:
    """A Prometheus takes all of a request or nothing: all but the bad ones are stored all the same."""
    at = round((now - 3000.0) * 1000)
    samples: list[tuple[int, float | None]] = [(at, 1.0), (at + 1000, 2.0)]
    good = [series("webrtc_timeline_jitter_seconds", samples, source="poison", peer_id=f"{n}") for n in range(50)]
    await push(prometheus.url, [good[20], good[40]], now)
    # The newest sample again with another value, in two series; and one that is older than the window.
    other = [series(each.family, [(at + 1000, 9.0)], **dict(each.labels)) for each in (good[20], good[40])]
    old = series("webrtc_timeline_jitter_seconds", [(at - 90_000_000, 1.0), (at, 5.0)], source="poison", peer_id="old")
    events = await push(prometheus.url, [*good[:20], other[0], *good[21:40], old, other[1], *good[41:]], now)
    assert dict(events.given_up) == {"rejected": 2, "too_old": 1}
    found = {dict(each)["peer_id"]: of for each, of in stored(prometheus, '{source="poison"}', now).items()}
    assert found == {"old": [(at, 5.0)], **{f"{n}": samples for n in range(50)}}


async def test_a_prometheus_without_an_out_of_order_window_keeps_what_it_can(tmp_path: Path, now: float) -> None:
    """It takes an hour's past; the rest is given up in a few requests, without an end to the queue."""
    samples: list[tuple[int, float | None]] = [(round((now - 120 * 60 + 60 * n) * 1000), float(n)) for n in range(120)]
    many = [series("webrtc_timeline_jitter_seconds", samples, source="s", peer_id=f"{n}") for n in range(20)]
    with receiving_prometheus(tmp_path / "prometheus", out_of_order=None) as database:
        first = series("webrtc_timeline_connected", [(round(now * 1000), 1.0)], source="s", peer_id="now")
        await push(database.url, [first], now)
        events = await push(database.url, many, now)
        found = database.raw('webrtc_timeline_jitter_seconds{source="s"}', now, FOUR_HOURS)
    assert len(found) == 20
    assert all(len(of) >= 45 and of[-1][1] == 119.0 for _, of in found)
    assert sum(len(of) for _, of in found) + sum(events.given_up.values()) == 20 * 120
    assert len(events.codes) < 60


async def test_a_clock_ahead_does_not_harm_the_database(prometheus: Database, now: float) -> None:
    """A sample two hours ahead would make a Prometheus before version 3 refuse its own scrapes: it is never sent."""
    ahead = series("webrtc_timeline_connected", [(round((now + 7200) * 1000), 1.0)], source="s", peer_id="ahead")
    events = await push(prometheus.url, [ahead], now)
    assert dict(events.given_up) == {"in_future": 1}
    later = series("webrtc_timeline_connected", [(round(now * 1000), 1.0)], source="s", peer_id="now")
    assert (await push(prometheus.url, [later], now)).stored == 1


LINE = [(-60_000, 1.0), (-1_000, 1.0)]


async def test_users_and_tls_with_an_authority_of_ones_own(tmp_path: Path, now: float) -> None:
    """A Prometheus behind exporter-toolkit's file: basic authentication over TLS."""
    ca = trustme.CA()
    issued = ca.issue_cert("127.0.0.1")
    (tmp_path / "cert.pem").write_bytes(issued.cert_chain_pems[0].bytes())
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    (tmp_path / "password").write_text("sesame\n", encoding="utf-8")
    web = {
        "tls_server_config": {"cert_file": str(tmp_path / "cert.pem"), "key_file": str(tmp_path / "key.pem")},
        "basic_auth_users": {"writer": bcrypt.hashpw(b"sesame", bcrypt.gensalt(4)).decode()},
    }
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    line = series("webrtc_timeline_connected", [(round(now * 1000) + at, value) for at, value in LINE], source="s")
    right = {
        "tls_config": {"ca_file": str(tmp_path / "ca.pem")},
        "basic_auth": {"username": "writer", "password_file": str(tmp_path / "password")},
    }
    with receiving_prometheus(tmp_path / "prometheus", web=web, tls=context, auth=("writer", "sesame")) as database:
        for wrong in ({**right, "tls_config": {}}, {**right, "basic_auth": {"username": "writer", "password": "x"}}):
            with pytest.raises(AssertionError, match="does not take it"):
                await push(database.url, [line], now, **wrong)
        assert database.raw(EVERYTHING, now, FOUR_HOURS) == []
        await push(database.url, [line], now, **right)
        ((_, samples),) = database.raw(EVERYTHING, now, FOUR_HOURS)
    assert samples == [(round(now * 1000) + at, value) for at, value in LINE]


async def test_a_bearer_token_before_a_database(tmp_path: Path, now: float) -> None:
    """A gateway that asks for a token, as hosted databases have it, and hands on to a VictoriaMetrics with users."""
    (tmp_path / "token").write_text("t0ken", encoding="utf-8")
    line = series("webrtc_timeline_connected", [(round(now * 1000) + at, value) for at, value in LINE], source="s")
    flags = ("-httpAuth.username=gate", "-httpAuth.password=way")
    with victoria_metrics(tmp_path / "victoria", *flags, auth=("gate", "way")) as database:

        def hand_on(request: Request) -> Reply:
            if request.headers.get("authorization") != "Bearer t0ken":
                return Reply(401, b"who are you?")
            passed = {name: request.headers[name] for name in ("content-type", "content-encoding")}
            answer = httpx.post(database.url, content=request.body, headers=passed, auth=("gate", "way"))
            return Reply(answer.status_code, answer.content)

        with recording_receiver(hand_on) as gateway:
            with pytest.raises(AssertionError, match="does not take it"):
                await push(gateway.url, [line], now)
            await push(gateway.url, [line], now, authorization={"credentials_file": str(tmp_path / "token")})
        database.flush()
        ((_, samples),) = database.raw(EVERYTHING, now, FOUR_HOURS)
    assert samples == [(round(now * 1000) + at, value) for at, value in LINE]


def test_blocks_of_the_backfill_hold_exactly_the_windows(
    tmp_path: Path, call: Call, summarised_call: Call, now: float
) -> None:
    """What promtool makes of the file, read by a Prometheus that is started on it."""
    written = tmp_path / "timeline.om"
    with written.open("w", encoding="utf-8") as file:
        file.writelines(text(FAMILIES, [*summarised_call.series, *call.series], OWN))
    command = [require_tool("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(written)]
    folder = tmp_path / "prometheus"
    made = subprocess.run([*command, str(folder / "data")], check=False, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    with receiving_prometheus(folder) as database:
        assert_same(stored(database, EVERYTHING, now), {**call.expected, **summarised_call.expected})
