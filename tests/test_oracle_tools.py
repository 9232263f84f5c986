"""The tools beside the oracle: comparison, exposition and the real Prometheus find what is wrong and nothing else."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import time
from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from tests.oracle import (
    Expected,
    assert_matches,
    check_exposition,
    differences,
    query_of_page,
    require_tool,
    running_prometheus,
)
from tests.oracle import Histogram as ExpectedHistogram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ROOM = frozenset({("source", "w"), ("room_id", "a\nb")})

PAGE = """\
# HELP webrtc_room_mos Mean opinion score.
# TYPE webrtc_room_mos gauge
webrtc_room_mos{source="w",room_id="a\\nb",session_id=""} 4.5
# HELP webrtc_sessions Sessions.
# TYPE webrtc_sessions counter
webrtc_sessions_total{source="w",room_id="a\\nb"} 2.0
webrtc_sessions_total{source="w",room_id="idle"} 0.0
# HELP webrtc_peer_session_jitter_seconds Jitter.
# TYPE webrtc_peer_session_jitter_seconds histogram
# UNIT webrtc_peer_session_jitter_seconds seconds
webrtc_peer_session_jitter_seconds_bucket{source="w",room_id="a\\nb",le="0.02"} 1.0
webrtc_peer_session_jitter_seconds_bucket{source="w",room_id="a\\nb",le="+Inf"} 3.0
webrtc_peer_session_jitter_seconds_sum{source="w",room_id="a\\nb"} 0.5
webrtc_peer_session_jitter_seconds_count{source="w",room_id="a\\nb"} 3.0
# EOF
"""


def of_page() -> Expected:
    """What `PAGE` shows."""
    return Expected(
        gauges={("webrtc_room_mos", ROOM): 4.5},
        counters={("webrtc_sessions_total", ROOM): 2},
        histograms={
            ("webrtc_peer_session_jitter_seconds", ROOM): ExpectedHistogram({0.02: 1, float("inf"): 3}, 0.5, 3),
        },
    )


class TestCompare:
    """Comparison of a page with what is expected."""

    def test_same_is_same(self) -> None:
        """Empty labels, zeros of counters and ways to write a bound make no difference."""
        assert_matches(of_page(), query_of_page(PAGE))

    def test_every_kind_of_difference_is_told(self) -> None:
        """Missing, unexpected, different, and families that nobody asked for."""
        wanted = of_page()
        wanted.gauges["webrtc_room_mos", ROOM] = 4.5 * (1 + 1e-8)
        wanted.gauges["webrtc_peer_mos", ROOM] = 1
        wanted.counters = {}
        wanted.histograms["webrtc_peer_session_jitter_seconds", ROOM] = ExpectedHistogram(
            {0.01: 0, 0.02: 1, float("inf"): 3}, 0.6, 3
        )
        wanted.rejected_samples["w", "out_of_range"] = 2
        page = PAGE.replace("# EOF", "# TYPE webrtc_room_size gauge\nwebrtc_room_size 1\n# EOF")
        room = "{room_id='a\\nb', source='w'}"
        assert differences(wanted, query_of_page(page)) == [
            f"different webrtc_room_mos{room}: expected 4.500000045, got 4.5",
            f"missing webrtc_peer_mos{room} 1",
            f"unexpected webrtc_sessions_total{room} 2.0",
            "missing webrtc_exporter_samples_rejected_total{reason='out_of_range', source='w'} 2.0",
            f"different webrtc_peer_session_jitter_seconds_sum{room}: expected 0.6, got 0.5",
            "missing webrtc_peer_session_jitter_seconds_bucket{le='0.01', room_id='a\\nb', source='w'} 0.0",
            "unexpected family webrtc_room_size",
        ]
        with pytest.raises(AssertionError, match=r"^7 differences\ndifferent webrtc_room_mos"):
            assert_matches(wanted, query_of_page(page))

    def test_a_series_that_comes_twice_is_told(self) -> None:
        """Two scrapers of one exporter, say."""

        def query(expression: str) -> list[tuple[dict[str, str], float]]:
            both = [({"job": job, "source": "w"}, 0.0) for job in "ab"]
            return both if expression == "webrtc_sessions_total" else []

        assert differences(Expected(), query) == ["twice webrtc_sessions_total{source='w'}"]

    def test_moments_are_held_to_microseconds(self) -> None:
        """A billionth of Unix seconds would be more than a second."""
        wanted = Expected(gauges={("webrtc_room_start_timestamp_seconds", ROOM): 1_772_359_200.5})

        def query(expression: str, value: float) -> list[tuple[dict[str, str], float]]:
            return [(dict(ROOM), value)] if expression == "webrtc_room_start_timestamp_seconds" else []

        assert_matches(wanted, lambda expression: query(expression, 1_772_359_200.500_001))
        with pytest.raises(AssertionError, match="different"):
            assert_matches(wanted, lambda expression: query(expression, 1_772_359_200.501))

    def test_report_lag_is_compared_by_its_count(self) -> None:
        """The clock decides about the rest."""
        wanted = Expected(
            histograms={
                ("webrtc_report_lag_seconds", frozenset({("source", "w")})): ExpectedHistogram(
                    {float("inf"): 1}, None, 1
                )
            }
        )
        page = (
            "# TYPE webrtc_report_lag_seconds histogram\n"
            'webrtc_report_lag_seconds_bucket{source="w",le="300.0"} 0\n'
            'webrtc_report_lag_seconds_bucket{source="w",le="+Inf"} 1\n'
            'webrtc_report_lag_seconds_sum{source="w"} 1234\n'
            'webrtc_report_lag_seconds_count{source="w"} 1\n# EOF\n'
        )
        assert_matches(wanted, query_of_page(page))
        with pytest.raises(AssertionError, match=r"expected 1\.0, got 2\.0"):
            assert_matches(wanted, query_of_page(page.replace("} 1\n", "} 2\n")))


def forms() -> tuple[str, str]:
    """A page in both forms, as prometheus-client writes them."""
    registry = CollectorRegistry()
    gauge = Gauge("webrtc_room_duration_seconds", "How long.", ["source", "room_id"], registry=registry, unit="seconds")
    gauge.labels("w", 'a"b\\c\nd\u2028').set(1.5)
    Counter("webrtc_sessions", "How many.", ["source"], registry=registry).labels("w").inc()
    histogram = Histogram("webrtc_peer_session_mos", "How good.", ["source"], registry=registry, buckets=[1, 2])
    histogram.labels("w").observe(1.5)
    generate: Callable[[CollectorRegistry], bytes] = generate_openmetrics
    text, openmetrics = generate_latest(registry).decode(), generate(registry).decode()
    return _without_created(text), _without_created(openmetrics)


def _without_created(body: str) -> str:
    return "".join(line + "\n" for line in body.split("\n")[:-1] if "_created" not in line)


class TestExposition:
    """Pages that are as they must be, and pages that are not."""

    def test_good_page_passes(self) -> None:
        """Quotes, line ends and other people's line separators in labels are no fault."""
        check_exposition(*forms())

    @pytest.mark.parametrize(
        ("old", "new", "finding"),
        [
            ('webrtc_sessions_total{source="w"} 1.0', 'webrtc_sessions_total{source="w"} 1.0 1700000000', "timestamp"),
            ('total{source="w"} 1.0\n', 'total{source="w"} 1.0\nwebrtc_sessions_total{source="w"} 1.0\n', "twice"),
            ('total{source="w"}', 'total{job="w"}', "has the label job"),
            ('total{source="w"}', 'total{type="w"}', "has the label type"),
            ('total{source="w"}', 'total{le="w"}', "has the label le"),
            ('total{source="w"} 1.0\n', 'total{source="w"} 1.0\nwebrtc_sessions_total{room="w"} 1.0\n', "set or order"),
            ('total{source="w"} 1.0', 'total{source="w"} NaN', "NaN"),
            ("# HELP webrtc_peer_session_mos How good.\n", "", "without HELP"),
            ("# TYPE webrtc_peer_session_mos histogram\n", "", "without TYPE"),
            ("# HELP webrtc_peer_session_mos How good.\n", "# HELP webrtc_peer_session_mos How good.\n" * 2, "twice"),
            (
                "# HELP webrtc_peer_session_mos How good.\n",
                "# made by hand\n# HELP webrtc_peer_session_mos x\n",
                "comment",
            ),
            ('_count{source="w"} 1.0', '_count{source="w"} 2.0', "not the count"),
            ('le="+Inf"', 'le="1.5"', "do not rise"),
            ('webrtc_peer_session_mos_sum{source="w"} 1.5\n', "", "no sum"),
            ('webrtc_sessions_total{source="w"} 1.0', 'webrtc_sessions_total{source="w} 1.0', "not accepted"),
        ],
    )
    def test_each_fault_of_the_text_form_is_found(self, old: str, new: str, finding: str) -> None:
        """One fault at a time, which many a parser forgives."""
        text, openmetrics = forms()
        assert text.count(old) == 1
        with pytest.raises(AssertionError, match=finding):
            check_exposition(text.replace(old, new), openmetrics)

    def test_family_in_pieces_is_found(self) -> None:
        """In the text form, which parsers do not mind."""
        text, openmetrics = forms()
        line = 'webrtc_room_duration_seconds{source="w",room_id="b"} 1.0\n'
        with pytest.raises(AssertionError, match="not in one block"):
            check_exposition(text + line, openmetrics.replace("# EOF\n", line + "# EOF\n"))

    def test_faults_of_the_openmetrics_form_are_found(self) -> None:
        """No end, no unit, no agreement with the other form."""
        text, openmetrics = forms()
        with pytest.raises(AssertionError, match="the end is not"):
            check_exposition(text, openmetrics.removesuffix("# EOF\n"))
        with pytest.raises(AssertionError, match="webrtc_room_duration_seconds has no UNIT"):
            check_exposition(text, openmetrics.replace("# UNIT webrtc_room_duration_seconds seconds\n", ""))
        with pytest.raises(AssertionError, match=r"webrtc_sessions_total.* differs between the forms"):
            check_exposition(text, openmetrics.replace('total{source="w"} 1.0', 'total{source="w"} 2.0'))
        with pytest.raises(AssertionError, match=r"How many.* in the other"):
            check_exposition(text, openmetrics.replace("How many", "How few"))

    def test_promtool_has_a_say(self) -> None:
        """It knows naming rules that no parser knows."""
        require_tool("promtool")
        page = "# HELP webrtc_room_kilometers_total x\n# TYPE webrtc_room_kilometers_total gauge\n"
        page += "webrtc_room_kilometers_total 1.0\n"
        with pytest.raises(AssertionError, match="promtool: webrtc_room_kilometers_total"):
            check_exposition(page, page + "# EOF\n")


def test_missing_tool_is_a_failure_in_ci_and_a_skip_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """In CI nobody would see that something was skipped."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="prometheus is not on PATH"):
        require_tool("prometheus")
    with pytest.raises(AssertionError, match="promtool: not on PATH"):
        check_exposition(*forms())
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception):
        require_tool("prometheus")
    check_exposition(*forms())


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
        """Says nothing."""


@pytest.fixture
def page_address() -> Iterator[str]:
    """Host and port of a server that answers everything with `PAGE`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.live
def test_real_prometheus_scrapes_and_answers(tmp_path: Path, page_address: str) -> None:
    """What it scraped is what was expected; a query that it does not accept is told."""
    with running_prometheus(tmp_path, {"exporter": page_address}) as prometheus:
        assert prometheus.wait_for("webrtc_sessions_total > 0")[0][1] == 2
        assert_matches(of_page(), prometheus.query)
        now = time()
        [(labels, values)] = prometheus.query_range("webrtc_room_mos", now, now + 2, 1)
        assert labels["job"] == "exporter"
        assert [value for _, value in values] == [4.5, 4.5, 4.5]
        assert prometheus.query("webrtc_room_mos", time=1_000_000) == []
        with pytest.raises(AssertionError, match="parse error"):
            prometheus.query("sum(")
        with pytest.raises(AssertionError, match="no result within"):
            prometheus.wait_for("webrtc_room_mos > 5", timeout=0)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{prometheus.url}/-/ready", trust_env=False)


@pytest.mark.live
def test_prometheus_that_does_not_start_tells_why(tmp_path: Path) -> None:
    """With the end of its log."""
    with (
        pytest.raises(AssertionError, match=r"(?s)did not start.*flag"),
        running_prometheus(tmp_path, {}, flags=["--no.such.flag"]),
    ):
        pass
