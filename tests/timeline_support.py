"""An independent reading of remote write, and a receiver that remembers what it was asked."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import cramjam
import msgspec
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from exporter.remote_write_settings import RemoteWriteSettings
from exporter.timeline.client import Client, ClientSurroundings
from exporter.timeline.sender import Sender, SenderSurroundings, own_labels
from exporter.timeline.series import TimelineSeries, packed
from exporter.values import decode_value

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    import httpx

#: The bits of Prometheus' stale marker (model/value/value.go).
STALE_BITS: Final = bytes.fromhex("020000000000f07f")
#: Labels, and for each sample its Unix milliseconds and its value; None is a stale marker.
Read: TypeAlias = tuple[dict[str, str], list[tuple[int, float | None]]]


def _message(name: str, *fields: tuple[str, int, int, str]) -> descriptor_pb2.DescriptorProto:
    message = descriptor_pb2.DescriptorProto(name=name)
    for field, number, kind, of in fields:
        repeated = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
        optional = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
        message.field.add(
            name=field,
            number=number,
            type=kind,
            label=repeated if of else optional,
            type_name=f".prometheus.{of}" if of else None,
        )
    return message


def _write_request() -> Any:  # noqa: ANN401 - a class made at run time
    """The message as Prometheus declares it (prompb/remote.proto and types.proto), what we do not send left out."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="remote.proto", package="prometheus", syntax="proto3")
    file.message_type.extend(
        [
            _message("Label", ("name", 1, kinds.TYPE_STRING, ""), ("value", 2, kinds.TYPE_STRING, "")),
            _message("Sample", ("value", 1, kinds.TYPE_DOUBLE, ""), ("timestamp", 2, kinds.TYPE_INT64, "")),
            _message(
                "TimeSeries",
                ("labels", 1, kinds.TYPE_MESSAGE, "Label"),
                ("samples", 2, kinds.TYPE_MESSAGE, "Sample"),
            ),
            _message("WriteRequest", ("timeseries", 1, kinds.TYPE_MESSAGE, "TimeSeries")),
        ]
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("prometheus.WriteRequest"))


WriteRequest = _write_request()


def parse(raw: bytes) -> Any:  # noqa: ANN401 - a message made at run time
    """Reads an uncompressed message; nothing in it is unknown to the protocol."""
    request = WriteRequest.FromString(raw)
    assert not _has_unknown_fields(request)
    return request


def read(raw: bytes) -> list[Read]:
    """Reads an uncompressed message. Labels keep the order of the wire."""
    series = []
    for each in parse(raw).timeseries:
        # A NaN's bits: the double is written again, by protobuf, and looked at.
        values = [
            (
                sample.timestamp,
                None if sample.SerializeToString().startswith(b"\x09" + STALE_BITS) else sample.value,
            )
            for sample in each.samples
        ]
        series.append(({label.name: label.value for label in each.labels}, values))
    return series


def _has_unknown_fields(request: Any) -> bool:  # noqa: ANN401 - a message made at run time
    copy = type(request)()
    copy.CopyFrom(request)
    copy.DiscardUnknownFields()
    return bool(copy.ByteSize() != request.ByteSize())


def read_body(body: bytes) -> list[Read]:
    """Reads the body of a request."""
    return read(bytes(cramjam.snappy.decompress_raw(body)))


def series(family: str, samples: Sequence[tuple[int, float | None]], **labels: str) -> TimelineSeries:
    """A series by hand; None is a stale marker."""
    return TimelineSeries(
        family=family,
        labels=tuple(labels.items()),
        times=tuple(time for time, _ in samples),
        values=packed(value for _, value in samples),
    )


class Request(NamedTuple):
    """One request as it came in."""

    method: str
    path: str
    #: Names in lower case.
    headers: dict[str, str]
    body: bytes

    @property
    def series(self) -> list[Read]:
        """What is in it."""
        return read_body(self.body)

    @property
    def samples(self) -> int:
        """How many samples are in it."""
        return sum(len(samples) for _, samples in self.series)


class Reply(NamedTuple):
    """What the receiver says."""

    status: int
    content: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Receiver:
    """A real HTTP server that answers as a test tells it, and remembers."""

    def __init__(self, url: str, answer: Callable[[Request], Reply | None]) -> None:
        self.url = url
        self.answer = answer
        self.requests: list[Request] = []


def in_turn(*replies: Reply | None) -> Callable[[Request], Reply | None]:
    """One answer after another, the last for ever; None hangs up without one."""
    waiting = list(replies)

    def answer(_: Request) -> Reply | None:
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    return answer


ACCEPTED: Final = Reply(204)


@contextmanager
def recording_receiver(
    answer: Callable[[Request], Reply | None] | None = None, context: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    """Serves on a free port of this machine, over TLS where there is a context; accepts all where nothing is said."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Without it a small answer waits for the acknowledgement of its header.
        disable_nagle_algorithm = True

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (ConnectionError, TimeoutError):
                self.close_connection = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, body)
            receiver.requests.append(request)
            reply = receiver.answer(request)
            if reply is None:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers:
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("Content-Length", str(len(reply.content)))
            self.end_headers()
            self.wfile.write(reply.content)

        do_GET = do_POST  # noqa: N815 - the base class's name

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "http" if context is None else "https"
    receiver = Receiver(f"{scheme}://127.0.0.1:{server.server_address[1]}/api/v1/write", answer or in_turn(ACCEPTED))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def read_settings(url: str, **raw: object) -> RemoteWriteSettings:
    """Reads a receiver's settings as the configuration does."""
    return msgspec.convert({"url": url, **raw}, RemoteWriteSettings, dec_hook=decode_value)


class RecordedEvents:
    """Remembers what a sender told."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.stored = 0
        self.repeated = 0
        self.given_up: Counter[str] = Counter()
        #: Unix milliseconds.
        self.newest = 0

    def request(self, code: str, seconds: float) -> None:
        """Remembers the code."""
        assert seconds >= 0
        self.codes.append(code)

    def sent(self, samples: int, newest: int) -> None:
        """Adds up."""
        self.stored += samples
        self.newest = max(self.newest, newest)

    def failed(self, samples: int) -> None:
        """Adds up."""
        self.repeated += samples

    def dropped(self, reason: str, samples: int) -> None:
        """Adds up by reason."""
        self.given_up[reason] += samples


class FakeTime:
    """A clock that moves when somebody sleeps."""

    def __init__(self, now: float) -> None:
        self.time = now
        self.slept: list[float] = []
        #: What `chance` gives.
        self.dice = 1.0
        #: Called before each sleep, with its number from 1.
        self.meanwhile: Callable[[int], None] = lambda _: None

    def now(self) -> float:
        """Unix seconds."""
        return self.time

    def chance(self) -> float:
        """No chance."""
        return self.dice

    async def sleep(self, seconds: float) -> None:
        """Does not wait."""
        self.slept.append(seconds)
        assert len(self.slept) < 1000, "it would be repeated for ever"
        self.meanwhile(len(self.slept))
        self.time += seconds


@asynccontextmanager
async def sending(
    settings: RemoteWriteSettings,
    world: FakeTime,
    events: RecordedEvents | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[Sender]:
    """A sender as the exporter has it, in a world of the test's."""
    surroundings = SenderSurroundings(now=world.now, sleep=world.sleep, chance=world.chance)
    async with Client(settings, ClientSurroundings(now=world.now, transport=transport)) as client:
        yield Sender(settings, own_labels(settings, "shard-0"), client, events or RecordedEvents(), surroundings)
