"""The sender against a real HTTP server that records requests.

The checks of prometheus/compliance (remotewrite/sender) that apply to a sender of remote write 1.0 which pushes its own
gauges are here and in the other tests of the timeline; `Compliance:` names them. Those about scraping, counters,
histograms, exemplars, metadata and protocol 2.0 do not apply.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from exporter import __version__
from exporter.timeline.batching import batches
from exporter.timeline.sender import JOB, own_labels
from exporter.timeline.series import count
from tests.timeline_support import (
    ACCEPTED,
    FakeTime,
    RecordedEvents,
    Reply,
    Request,
    in_turn,
    read_settings,
    recording_receiver,
    sending,
    series,
)

if TYPE_CHECKING:
    from exporter.timeline.series import TimelineSeries
    from tests.timeline_support import Receiver

pytestmark = pytest.mark.anyio

NOW = 1_772_359_200.0
T0 = 1_772_359_200_000
LOSS = "webrtc_timeline_packet_loss_ratio"


def line(name: str = "a", *times: int, value: float = 0.25) -> TimelineSeries:
    """A series with samples so many seconds before now, oldest first, and a marker a second after the last."""
    samples: list[tuple[int, float | None]] = [(T0 - 1000 * seconds, value) for seconds in times or (20, 10)]
    return series(LOSS, [*samples, (samples[-1][0] + 1000, None)], source="prod", peer_id=name, rid="")


async def deliver(
    receiver: Receiver, *many: TimelineSeries, events: RecordedEvents | None = None, **raw: object
) -> FakeTime:
    """Sends all in one batch; returns the world it was sent in."""
    world = FakeTime(NOW)
    async with sending(read_settings(receiver.url, **raw), world, events) as sender:
        await sender.send(many)
    return world


def names(request: Request) -> list[str]:
    """The peers that a request is about."""
    return [labels["peer_id"] for labels, _ in request.series]


async def test_a_request_is_what_the_protocol_asks_for() -> None:
    """Method, headers, labels and samples.

    Compliance: post_method, content_type_protobuf, rw1_content_type, content_encoding_snappy, snappy_block_format,
    version_header_present, rw1_version_header, user_agent_present, float_sample_encoding, millisecond_precision.
    """
    with recording_receiver() as receiver:
        await deliver(receiver, line())
    (request,) = receiver.requests
    assert (request.method, request.path) == ("POST", "/api/v1/write")
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers["content-encoding"] == "snappy"
    assert request.headers["x-prometheus-remote-write-version"] == "0.1.0"
    assert request.headers["user-agent"] == f"webrtc-quality-exporter/{__version__}"
    assert int(request.headers["content-length"]) == len(request.body)
    assert request.series == [
        (
            {"__name__": LOSS, "instance": "shard-0", "job": JOB, "peer_id": "a", "source": "prod"},
            [(T0 - 20_000, 0.25), (T0 - 10_000, 0.25), (T0 - 9_000, None)],
        )
    ]


async def test_configured_headers_do_not_change_the_protocol() -> None:
    """A tenant's header goes along, of any text. Compliance: prevent custom headers from overriding."""
    headers = {"X-Scope-OrgID": "tenant ü", "X-Other": "2", "accept-encoding": "gzip"}
    with recording_receiver() as receiver:
        await deliver(receiver, line(), headers=headers)
    (request,) = receiver.requests
    assert request.headers["x-scope-orgid"].encode("latin-1").decode() == "tenant ü"
    assert request.headers["accept-encoding"] == "identity"
    reserved = read_settings("http://h/", headers={"Content-Type": "text/plain", "user-agent": "x"})
    assert len(reserved.problems()) == 2


async def test_labels() -> None:
    """Sorted, complete, never empty, never twice.

    Compliance: label_lexicographic_ordering, metric_name_label_present, no_duplicate_labels, empty_label_value,
    unicode_in_labels, huge_label_values, job_label, instance_label.
    """
    many = (line("ü🚀"), line("x" * 10_000))
    external = {"cluster": "eu", "instance": "own", "Zone": "z", "peer_id": "not this", "rid": "nor this"}
    with recording_receiver() as receiver:
        await deliver(receiver, *many, external_labels=external)
    (request,) = receiver.requests
    for (labels, _), name in zip(request.series, ("ü🚀", "x" * 10_000), strict=True):
        assert list(labels.items()) == [
            ("Zone", "z"),
            ("__name__", LOSS),
            ("cluster", "eu"),
            ("instance", "own"),
            ("job", JOB),
            ("peer_id", name),
            ("source", "prod"),
        ]


def test_own_labels_can_be_replaced() -> None:
    """What is configured wins over what we say of ourselves."""
    settings = read_settings("http://h/", external_labels={"job": "calls", "region_name": "eu"})
    assert own_labels(settings, "shard-1") == {"job": "calls", "instance": "shard-1", "region_name": "eu"}


async def test_samples_are_in_order_and_each_series_once_in_a_request() -> None:
    """A long series goes on in the next request.

    Compliance: timestamp_ordering_within_series, multiple_series_per_request, batch_size_reasonable, at least one
    sample in a series.
    """
    many = [line(f"p{number}", *range(1000, 0, -1)) for number in range(3)]
    events = RecordedEvents()
    with recording_receiver() as receiver:
        async with sending(read_settings(receiver.url), FakeTime(NOW), events) as sender:
            for batch in batches(many, 700):
                await sender.send(batch)
    assert [request.samples for request in receiver.requests] == [700, 700, 700, 700, 203]
    found: dict[str, list[int]] = {}
    for request in receiver.requests:
        assert len(set(names(request))) == len(names(request))
        for labels, samples in request.series:
            assert samples
            found.setdefault(labels["peer_id"], []).extend(time for time, _ in samples)
    assert found == {f"p{number}": list(many[number].times) for number in range(3)}
    assert events.stored == 3 * 1001


@pytest.mark.parametrize("reply", [Reply(200, b"this is ignored"), Reply(204), Reply(202, b"x" * 1_000_000)])
async def test_success_is_final(reply: Reply) -> None:
    """One request. Compliance: handle_200_ok, handle_204_no_content, ignore_response_body_on_success."""
    events = RecordedEvents()
    with recording_receiver(in_turn(reply)) as receiver:
        world = await deliver(receiver, line(), events=events)
    assert len(receiver.requests) == 1
    assert (events.stored, events.codes, world.slept) == (3, [str(reply.status)], [])


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
async def test_what_may_pass_is_repeated(status: int) -> None:
    """The same samples again. A Prometheus that starts answers 503.

    Compliance: retry_on_500, retry_on_502, retry_on_503, retry_on_504, may_retry_on_429.
    """
    events = RecordedEvents()
    with recording_receiver(in_turn(Reply(status, b"Service Unavailable"), ACCEPTED)) as receiver:
        await deliver(receiver, line(), events=events)
    first, second = receiver.requests
    assert first.body == second.body
    assert (events.codes, events.stored, events.repeated) == ([str(status), "204"], 3, 3)
    assert not events.given_up


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_what_is_rejected_is_not_repeated(status: int) -> None:
    """A rejected series is given up at once. Compliance: no_retry_on_400, handle_missing_written_headers."""
    events = RecordedEvents()
    with recording_receiver(in_turn(Reply(status, b"Bad request"))) as receiver:
        await deliver(receiver, line(), events=events)
    assert len(receiver.requests) == 1
    assert (events.stored, dict(events.given_up)) == (0, {"rejected": 3})


@pytest.mark.parametrize("status", [401, 403, 404, 405, 410, 415, 301, 307])
async def test_a_refusal_is_not_repeated_and_loses_nothing(status: int) -> None:
    """No request within five minutes. The samples wait, as they are not to blame: then the receiver is asked again.

    Compliance: no_retry_on_401, no_retry_on_404.
    """
    location = (("Location", "/elsewhere"),)
    events = RecordedEvents()
    with recording_receiver(in_turn(Reply(status, b"Unauthorized", location), ACCEPTED)) as receiver:
        world = await deliver(receiver, line(), events=events)
    first, second = receiver.requests
    assert (first.path, second.path) == ("/api/v1/write", "/api/v1/write")
    assert sum(world.slept) == 300.0
    assert (events.stored, events.given_up) == (3, {})


async def test_pauses_grow_to_a_limit() -> None:
    """From `min_backoff`, doubled each time, to `max_backoff`; and from the beginning again after a success.

    Compliance: backoff_required, exponential_backoff_on_errors, backoff_max_delay.
    """
    replies = [*[Reply(503)] * 9, ACCEPTED, Reply(503), ACCEPTED]
    with recording_receiver(in_turn(*replies)) as receiver:
        world = FakeTime(NOW)
        async with sending(read_settings(receiver.url), world) as sender:
            await sender.send((line(),))
            await sender.send((line("b"),))
    assert world.slept == pytest.approx([0.03, 0.06, 0.12, 0.24, 0.48, 0.96, 1.92, 3.84, 5.0, 0.03])


async def test_pauses_differ_between_exporters() -> None:
    """Down to half of the pause, but never less than `min_backoff`. Compliance: backoff_with_jitter."""
    with recording_receiver(in_turn(Reply(503), Reply(503), Reply(503), ACCEPTED)) as receiver:
        world = FakeTime(NOW)
        world.dice = 0.0
        async with sending(read_settings(receiver.url), world) as sender:
            await sender.send((line(),))
    assert world.slept == pytest.approx([0.03, 0.03, 0.06])


@pytest.mark.parametrize("status", [429, 503])
async def test_a_receiver_may_ask_for_a_pause(status: int) -> None:
    """In seconds or by a date. Compliance: retry_after_header_respected."""
    date = formatdate(NOW + 40.0, usegmt=True)
    replies = (
        Reply(status, b"", (("Retry-After", "17"),)),
        Reply(status, b"", (("Retry-After", date),)),
        Reply(status, b"", (("Retry-After", "0"),)),
        ACCEPTED,
    )
    with recording_receiver(in_turn(*replies)) as receiver:
        world = await deliver(receiver, line())
    assert world.slept == [17.0, 23.0, 0.03]


async def test_one_bad_series_costs_itself() -> None:
    """All else of the batch is stored, in few requests. Compliance: handle_partial_write_response."""
    many = [line(f"p{number}") for number in range(64)]
    stored: set[str] = set()

    def answer(request: Request) -> Reply:
        if "p41" in names(request):
            return Reply(400, b"duplicate sample for timestamp")
        stored.update(names(request))
        return ACCEPTED

    events = RecordedEvents()
    with recording_receiver(answer) as receiver:
        await deliver(receiver, *many, events=events)
    assert stored == {f"p{number}" for number in range(64)} - {"p41"}
    assert (events.stored, dict(events.given_up)) == (63 * 3, {"rejected": 3})
    assert len(receiver.requests) == 1 + 2 * 6


async def test_a_receiver_that_is_busy_while_a_bad_series_is_sought() -> None:
    """The search goes on where it was."""
    replies = [Reply(400), Reply(503), ACCEPTED, Reply(400)]
    events = RecordedEvents()
    with recording_receiver(in_turn(*replies)) as receiver:
        await deliver(receiver, line("a"), line("b"), events=events)
    assert [names(request) for request in receiver.requests] == [["a", "b"], ["a"], ["a"], ["b"]]
    assert (events.stored, dict(events.given_up)) == (3, {"rejected": 3})


@pytest.mark.parametrize("reply", [Reply(400, b"out of bounds"), Reply(500, b"too old sample")])
async def test_a_receiver_with_a_shorter_memory(reply: Reply) -> None:
    """What is too old for it is found and given up; all that is newer is stored."""
    limit = T0 - 50_000

    def answer(request: Request) -> Reply:
        return reply if any(samples[0][0] < limit for _, samples in request.series) else ACCEPTED

    events = RecordedEvents()
    with recording_receiver(answer) as receiver:
        many = [line(f"p{number}", *range(100, 0, -1)) for number in range(5)]
        await deliver(receiver, *many, events=events)
    assert events.stored == 5 * 51
    assert dict(events.given_up) == {"too_old": 5 * 50}
    assert len(receiver.requests) < 20


async def test_too_much_at_once_is_sent_in_parts() -> None:
    """Not the same again, but halves of it. Compliance: no_retry_on_413."""

    def answer(request: Request) -> Reply:
        return ACCEPTED if request.samples <= 30 else Reply(413)

    events = RecordedEvents()
    with recording_receiver(answer) as receiver:
        await deliver(receiver, line("a", *range(100, 0, -1)), line("b"), events=events)
    assert (events.stored, dict(events.given_up)) == (104, {})
    assert len({request.body for request in receiver.requests}) == len(receiver.requests)


async def test_what_no_receiver_takes_is_not_sent() -> None:
    """Too old by configuration, or more than a minute ahead. Compliance: future_timestamp."""
    events = RecordedEvents()
    many = (line("old", 4000, 3500, 10), line("ancient", 9000), line("ahead", 5, -59, -61), line("far", -7200))
    with recording_receiver() as receiver:
        await deliver(receiver, *many, events=events, max_sample_age="1h")
    (request,) = receiver.requests
    assert [(labels["peer_id"], samples) for labels, samples in request.series] == [
        ("old", [(T0 - 3_500_000, 0.25), (T0 - 10_000, 0.25), (T0 - 9_000, None)]),
        ("ahead", [(T0 - 5_000, 0.25), (T0 + 59_000, 0.25)]),
    ]
    assert dict(events.given_up) == {"too_old": 1 + 2, "in_future": 2 + 2}
    assert events.stored == 5


async def test_nothing_left_to_send_is_no_request() -> None:
    """Not even an empty one. Compliance: empty_scrape."""
    events = RecordedEvents()
    with recording_receiver() as receiver:
        await deliver(receiver, line("old", 9000), events=events, max_sample_age="1h")
        await deliver(receiver, events=events)
    assert receiver.requests == []


async def test_what_waits_grows_too_old() -> None:
    """The age is looked at before each attempt: what a receiver would not take any more spoils no request."""
    events = RecordedEvents()
    retry = Reply(503, b"", (("Retry-After", "60"),))
    with recording_receiver(in_turn(retry, ACCEPTED)) as receiver:
        await deliver(receiver, line("a", 3550, 3500, 10), events=events, max_sample_age="1h")
    first, second = receiver.requests
    # A minute later the first is 3610 s old; of the hour, half a minute is kept for the request itself.
    assert (first.samples, second.samples) == (4, 3)
    assert (events.stored, dict(events.given_up)) == (3, {"too_old": 1})


async def test_what_was_made_ready_grows_too_old() -> None:
    """It is made anew then; else it goes out as it is, and nothing is counted twice."""
    events, world = RecordedEvents(), FakeTime(NOW)
    batch = (line("a", 4000, 3550, 10),)
    with recording_receiver() as receiver:
        async with sending(read_settings(receiver.url, max_sample_age="1h"), world, events) as sender:
            early, late = sender.pack(batch), sender.pack(batch)
            assert events.given_up == {}
            await sender.send(batch, early)
            assert (events.stored, dict(events.given_up)) == (3, {"too_old": 1})
            world.time += 60.0
            await sender.send(batch, late)
    first, second = receiver.requests
    assert (first.body, first.samples, second.samples) == (early.body, 3, 2)
    assert (events.stored, dict(events.given_up)) == (5, {"too_old": 3})


async def test_a_connection_that_breaks_is_made_anew() -> None:
    """The sender goes on. Compliance: handle_connection_refused, sender_continues_after_errors."""
    events = RecordedEvents()
    with recording_receiver(in_turn(None, None, ACCEPTED)) as receiver:
        await deliver(receiver, line(), events=events)
    assert (events.codes, events.stored) == (["error", "error", "204"], 3)


async def test_a_receiver_that_is_not_there_yet() -> None:
    """Nobody listens, then somebody does; nothing is lost meanwhile."""
    with recording_receiver() as probe:
        url = probe.url
    world, events = FakeTime(NOW), RecordedEvents()
    started = asyncio.Event()
    world.meanwhile = lambda number: started.set() if number == 4 else None
    async with sending(read_settings(url), world, events) as sender:
        sent = asyncio.create_task(sender.send((line(),)))
        await started.wait()
        sent.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sent
    assert set(events.codes) == {"error"}
    assert (events.stored, events.given_up) == (0, {})


async def test_a_name_that_nobody_knows_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As while a cluster starts. Compliance: dns_resolution_failure."""
    known, asked = socket.getaddrinfo, []

    def look_up(host: str | bytes | None, *arguments: Any, **more: Any) -> Any:  # noqa: ANN401 - as it is declared
        if host in {"receiver.invalid", b"receiver.invalid"}:
            asked.append(host)
            if len(asked) < 3:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            host = "127.0.0.1"
        return known(host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    events, world = RecordedEvents(), FakeTime(NOW)
    with recording_receiver() as receiver:
        url = receiver.url.replace("127.0.0.1", "receiver.invalid")
        async with sending(read_settings(url), world, events) as sender:
            await sender.send((line(),))
    assert (events.codes, events.stored) == (["error", "error", "204"], 3)


async def test_a_silent_receiver_is_left() -> None:
    """After `remote_timeout` in all, also where bytes drip. Compliance: handle_timeout."""
    dripping = asyncio.Event()

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not dripping.is_set():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    events, world = RecordedEvents(), FakeTime(NOW)
    failed = asyncio.Event()
    world.meanwhile = lambda _: failed.set()
    async with (
        server,
        sending(read_settings(f"http://127.0.0.1:{port}/", remote_timeout="50ms"), world, events) as sender,
    ):
        sent = asyncio.create_task(sender.send((line(),)))
        await asyncio.wait_for(failed.wait(), 120)
        sent.cancel()
        await asyncio.gather(sent, return_exceptions=True)
        dripping.set()
    assert events.codes[0] == "timeout"
    assert events.stored == 0


@pytest.mark.parametrize("raw", [b"nonsense\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b""])
async def test_a_malformed_answer_is_a_failure_that_may_pass(raw: bytes) -> None:
    """The same is sent again. Compliance: handle_malformed_response, handle_empty_response."""
    answered = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        await reader.readuntil(b"\r\n\r\n")
        answered += 1
        writer.write(raw if answered == 1 else b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    events = RecordedEvents()
    async with server, sending(read_settings(f"http://127.0.0.1:{port}/"), FakeTime(NOW), events) as sender:
        await sender.send((line(),))
    assert (events.codes, events.stored) == (["error", "204"], 3)


async def test_an_unknown_status_may_pass() -> None:
    """No status stops the sender. Compliance: handle_invalid_status_code."""
    events = RecordedEvents()
    with recording_receiver(in_turn(Reply(999), ACCEPTED)) as receiver:
        await deliver(receiver, line(), events=events)
    assert (events.codes, events.stored) == (["999", "204"], 3)


async def test_what_is_rejected_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The receiver's own words, for the series that is to blame; a few. Compliance: log_error_messages_verbatim."""
    caplog.set_level(logging.INFO)
    with recording_receiver(in_turn(Reply(400, b"Error: Invalid label name '__invalid__'\n"))) as receiver:
        await deliver(receiver, *[line(f"p{number}") for number in range(20)])
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("exporter")]
    assert len(lines) == 5
    assert lines[0] == (
        f"{receiver.url}: {LOSS}, peer 'p0', 3 samples: answered with status 400: "
        "\"Error: Invalid label name '__invalid__'\""
    )


async def test_a_large_error_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    """Of a page only its beginning is logged. Compliance: handle_large_error_body."""
    events = RecordedEvents()
    with recording_receiver(in_turn(Reply(400, b"x" * 1_000_000))) as receiver:
        await deliver(receiver, line(), events=events)
    assert dict(events.given_up) == {"rejected": 3}
    assert all(len(record.getMessage()) < 600 for record in caplog.records)


async def test_an_outage_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """One line when it begins, one when another reason appears, one when it ends."""
    caplog.set_level(logging.INFO)
    replies = [*[Reply(503)] * 5, *[Reply(502, b"proxy")] * 5, ACCEPTED]
    with recording_receiver(in_turn(*replies)) as receiver:
        await deliver(receiver, line(), name="mimir")
    assert [record.getMessage() for record in caplog.records if record.name.startswith("exporter")] == [
        "mimir: answered with status 503; the samples wait",
        "mimir: answered with status 502: 'proxy'; the samples wait",
        "mimir: accepts again, after 10 failed requests",
    ]


async def test_connections_are_kept_and_closed() -> None:
    """One connection for many requests."""
    opened: list[object] = []

    class Counting(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            response = await super().handle_async_request(request)
            opened.append(response.extensions["network_stream"].get_extra_info("client_addr"))
            return response

    with recording_receiver() as receiver:
        async with sending(read_settings(receiver.url), FakeTime(NOW), transport=Counting()) as sender:
            for _ in range(5):
                await sender.send((line(),))
    assert len(opened) == 5
    assert len(set(opened)) == 1


async def test_a_cancelled_batch_can_be_sent_again() -> None:
    """Stopping while a receiver is down loses nothing: what was not acknowledged is sent by the next sender."""
    world = FakeTime(NOW)
    batch = (line("a"), line("b"))
    with recording_receiver(in_turn(Reply(400), ACCEPTED, None)) as receiver:
        waiting = asyncio.Event()
        world.meanwhile = lambda _: waiting.set()
        async with sending(read_settings(receiver.url), world) as sender:
            sent = asyncio.create_task(sender.send(batch))
            await waiting.wait()
            sent.cancel()
            await asyncio.gather(sent, return_exceptions=True)
        receiver.answer = in_turn(ACCEPTED)
        async with sending(read_settings(receiver.url), world) as sender:
            await sender.send(batch)
    assert names(receiver.requests[-1]) == ["a", "b"]
    assert receiver.requests[-1].samples == count(batch)


async def test_events_count_every_sample_once() -> None:
    """What is stored and what is given up is what was there, whatever the receiver says in between."""
    too_old = Reply(400, b"too old sample")
    replies = in_turn(Reply(503), Reply(400), ACCEPTED, None, Reply(400), Reply(413), ACCEPTED, too_old, ACCEPTED)
    events = RecordedEvents()
    many = [line(f"p{number}", 9000, 3500, 20, -100) for number in range(8)]
    with recording_receiver(replies) as receiver:
        await deliver(receiver, *many, events=events, max_sample_age="1h")
    assert events.stored + sum(events.given_up.values()) == count(many)
