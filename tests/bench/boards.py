"""`make bench-boards`: how long Prometheus takes for the queries of every board, with 200 000 series in the range."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

import httpx

from exporter.demo import hundredms_documents, simulation, watchrtc_documents
from exporter.timeline import wire
from exporter.timeline.series import TimelineSeries, packed
from tests.dashboards.boards import committed
from tests.dashboards.grafana import variables
from tests.dashboards.live import Prometheus, questions, resolved
from tests.dashboards.replay import scraped
from tests.live.process import running_exporter
from tests.live.receivers import receiving_prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exporter.demo.truth import Recording
    from exporter.timeline.series import Labels
    from tests.dashboards.live import Question

#: Sessions of each vendor, and who takes part: 200 000 series.
_WATCHRTC: Final = 560
_HUNDREDMS: Final = 93
_PEOPLE: Final = 5
_ROOMS: Final = 100
_MINUTES: Final = 5.0
#: What is looked at, how often it was scraped, and how long a call stays on the page.
_SPAN: Final = 3 * 3_600
_SCRAPE: Final = 60
_IN_VIEW: Final = 3_600
#: Calls come into view in so many batches.
_BATCHES: Final = 24
_OWN: Final = {"job": "webrtc-quality-exporter", "instance": "localhost:10210"}
_AS_PROMETHEUS: Final = {"X_Prometheus_Scrape_Timeout_Seconds": "15"}
#: What issue and README promise of each query.
_LIMIT_SECONDS: Final = 1.0
_SLOWEST: Final = 12


class Timed(NamedTuple):
    """How long a query took."""

    seconds: float
    board: str
    chosen: str
    place: str
    series: int


def main() -> None:
    """Prints the slowest queries and how many are past the limit."""
    out = sys.stdout.write
    with tempfile.TemporaryDirectory() as name, receiving_prometheus(Path(name) / "prometheus") as database:
        end = time.time() // _SCRAPE * _SCRAPE
        page = _page(Path(name), database.url, end)
        _fill(database.url, page, end)
        url = database.url.removesuffix("/api/v1/write")
        head = httpx.get(f"{url}/api/v1/status/tsdb", trust_env=False).json()["data"]["headStats"]
        out(f"{head['numSeries']} series in {_SPAN // 3_600} hours, every {_SCRAPE} s\n")
        timed = sorted(_timed(url, end), reverse=True)
    for each in timed[:_SLOWEST]:
        ratio = each.seconds / _LIMIT_SECONDS
        out(f"  {each.seconds:6.2f} s {ratio:5.2f}x  {each.board}, {each.chosen}: {each.place}, {each.series} series\n")
    slow = sum(each.seconds > _LIMIT_SECONDS for each in timed)
    half = timed[len(timed) // 2].seconds
    out(f"{len(timed)} queries, half of them below {1_000 * half:.0f} ms, {slow} above {_LIMIT_SECONDS:g} s\n")


def _page(folder: Path, receiver: str, end: float) -> str:
    """What the real exporter says of a great many calls, which it has also sent to the receiver window by window."""
    token = folder / "token"
    token.write_text("unused", encoding="utf-8")
    configuration = {
        "sources": [
            {
                "name": "meetings",
                "type": "100ms",
                "base_url": "http://127.0.0.1:9/v2",
                "auth": {"management_token_file": str(token)},
                "discovery": {"lookback": "0s", "sessions": []},
                "push": {"token_file": str(token)},
            },
            {"name": "watch", "type": "watchrtc", "url": str(folder / "none"), "poll_interval": "1h"},
        ],
        "metrics": {"zero_hold": "0s", "series_ttl": "24h"},
        "remote_write": [{"url": receiver}],
    }
    config = folder / "config.yaml"
    config.write_text(json.dumps(configuration), encoding="utf-8")
    (folder / "none").mkdir()
    documents = list(_documents(folder, end))
    flags = (f"--config.file={config}", f"--storage.path={folder / 'state'}", "--log.level=warn")
    subprocess.run([sys.executable, "-m", "exporter", "ingest", *flags, *documents], check=True, capture_output=True)
    with running_exporter(config, folder / "state") as exporter:
        # The page is large.
        exporter.until("the timeline is sent", lambda: _all_sent(exporter.page()), 600.0, pause=3.0)
        exporter.get("/metrics", accept="text/plain", **_AS_PROMETHEUS)
        time.sleep(2.0)
        return exporter.get("/metrics", accept="text/plain", **_AS_PROMETHEUS).text


def _all_sent(page: str) -> bool:
    lines = [line for line in page.splitlines() if not line.startswith("#")]
    waiting = [line for line in lines if line.startswith("webrtc_exporter_remote_write_queue_samples")]
    return bool(waiting) and all(float(line.rpartition(" ")[2]) == 0 for line in waiting)


def _documents(folder: Path, end: float) -> Iterator[str]:
    spacing = (_SPAN - 60 * _MINUTES) / (_WATCHRTC + _HUNDREDMS)
    held = simulation.volume(
        "boards",
        _WATCHRTC + _HUNDREDMS,
        _PEOPLE,
        end - _SPAN,
        minutes=_MINUTES,
        spacing=spacing,
        rooms=_ROOMS,
        variety=12,
    )
    rooms = [json.dumps(watchrtc_documents.room_document(recording)) for recording in islice(held, _WATCHRTC)]
    yield _written(folder / "rooms.json", rooms)
    yield _written(folder / "peers.json", [text for recording in held for text in _answers(recording)])


def _answers(recording: Recording) -> Iterator[str]:
    return (json.dumps(hundredms_documents.peer_stats(recording, number)) for number in range(_PEOPLE))


def _written(file: Path, documents: Sequence[str]) -> str:
    file.write_text("\n".join(documents), encoding="utf-8")
    return str(file)


def _fill(receiver: str, page: str, end: float) -> None:
    """Sends the page as if it had been scraped for hours: calls come into view and leave it, and counts rise."""
    all_times = range(int(end) - _SPAN, int(end) + 1, _SCRAPE)
    views = [_view(all_times, batch) for batch in range(_BATCHES)]
    headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
    with httpx.Client(trust_env=False, timeout=60.0) as client:
        series = _series(page, tuple(1_000 * time for time in all_times), views)
        while batch := list(islice(series, 500)):
            answer = client.post(receiver, content=wire.body(batch, _OWN), headers=headers)
            assert answer.is_success, answer.text


def _view(times: range, batch: int) -> tuple[int, ...]:
    """The times at which the sessions of a batch are on the page, in milliseconds."""
    first = times[0] + batch * (_SPAN - _IN_VIEW // 2) // _BATCHES
    return tuple(1_000 * time for time in times if first <= time < first + _IN_VIEW)


def _series(page: str, times: tuple[int, ...], views: Sequence[tuple[int, ...]]) -> Iterator[TimelineSeries]:
    for name, labels, value in scraped(page):
        told = dict(labels)
        if "session_id" in told:
            shown = views[crc32(told["session_id"].encode()) % _BATCHES]
            yield _sent(name, labels, shown, [value] * len(shown))
        else:
            rises = name.endswith(("_total", "_bucket", "_count", "_sum"))
            steps = len(times) - 1
            # All series of a histogram rise together.
            values = (
                [value * (step * 12 // steps) / 12 for step in range(len(times))] if rises else [value] * len(times)
            )
            yield _sent(name, labels, times, values)


def _sent(name: str, labels: Labels, times: tuple[int, ...], values: list[float]) -> TimelineSeries:
    """A series as remote write sends it; times in milliseconds."""
    return TimelineSeries(family=name, labels=labels, times=times, values=packed(values))


def _timed(url: str, end: float) -> Iterator[Timed]:
    for uid, board in committed().items():
        for chosen, choose in _choices(url, board, end).items():
            before = time.perf_counter()
            values = resolved(url, board, end, choose, span=_SPAN)
            name = uid.removeprefix("webrtc-quality-")
            yield Timed(time.perf_counter() - before, name, chosen, "all variables", 0)
            for question in questions(board, values, end, float(_SPAN)):
                seconds, series = _asked(url, question)
                if seconds > _LIMIT_SECONDS / 2:
                    # The middle one of three: a database that was just filled has other things to do as well.
                    seconds = sorted((seconds, _asked(url, question)[0], _asked(url, question)[0]))[1]
                yield Timed(seconds, name, chosen, question.place, series)


def _asked(url: str, question: Question) -> tuple[float, int]:
    """How long the answer took, and how many series it has."""
    before = time.perf_counter()
    try:
        series = len(question.ask(Prometheus(url)))
    except TimeoutError:
        # The time until then is told.
        series = 0
    return time.perf_counter() - before, series


def _choices(url: str, board: Mapping[str, object], end: float) -> dict[str, dict[str, list[str]]]:
    """All, one and two of what the board lets choose; the peer board always shows one peer."""
    poor = f'last_over_time(webrtc_peer_verdict{{verdict="poor"}}[{_SPAN}s])'
    stays = Prometheus(url).query(f"topk(2, max by (room_id, session_id, peer_id) ({poor}))", end)
    rooms = [stay["metric"]["room_id"] for stay in stays]
    sessions = [stay["metric"]["session_id"] for stay in stays]
    if "peer" in variables(dict(board)):
        peers = [stay["metric"]["peer_id"] for stay in stays]
        return {
            name: {"room": [room], "session": [session], "peer": [peer]}
            for name, room, session, peer in zip(("one", "another"), rooms, sessions, peers, strict=True)
        }
    if "room" not in variables(dict(board)):
        return {"all": {}}
    return {
        "all": {},
        "one room": {"room": rooms[:1]},
        "two rooms": {"room": rooms},
        "one session": {"room": rooms[:1], "session": sessions[:1]},
    }


if __name__ == "__main__":
    main()
