"""What is sent to a source: who may send, and what is counted of a body."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING

import pytest
from starlette.datastructures import Headers

from exporter.face import NotNowError, Received
from exporter.pipeline.receiving import SourceEndpoint
from exporter.sources.base import (
    Delivery,
    ObjectIdentity,
    Receipt,
    Receiver,
    RejectedDocument,
    Task,
    UnusableBodyError,
)
from exporter.values import Secret
from tests.reports import audio, peer, report

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.anyio

NOW = 1_795_300_000.0
BEARER = (("Authorization", "Bearer"), ("X-Own", ""))


class Bench:
    """An endpoint whose receiver makes the given deliveries, and what it delivered."""

    def __init__(
        self,
        *deliveries: Delivery,
        secret: Secret | None = None,
        secret_file: str | None = None,
        headers: tuple[tuple[str, str], ...] = BEARER,
        fails: Exception | None = None,
    ) -> None:
        self.makes: Sequence[Delivery] = deliveries
        self.fails = fails
        self.read: list[tuple[bytes, float, str]] = []
        self.delivered: list[Delivery] = []
        #: Raised by the next commits.
        self.failure: Exception | None = None
        self.receipts: Iterator[Receipt] = iter(())
        receiver = Receiver(
            headers=headers, secret=secret, secret_file=secret_file, most_bytes=7, most_seconds=3.0, read=self._read
        )
        self.endpoint = SourceEndpoint("one", receiver, self._deliver, lambda: NOW)

    def _read(self, chunks: Iterable[bytes], now: float) -> Iterator[Delivery]:
        self.read.append((b"".join(chunks), now, threading.current_thread().name))
        yield from self.makes
        if self.fails:
            raise self.fails

    async def _deliver(self, delivery: Delivery) -> Receipt:
        if self.failure:
            raise self.failure
        self.delivered.append(delivery)
        return next(self.receipts, Receipt())

    async def take(self) -> Received:
        """Gives it a body of two pieces."""
        return await self.endpoint.take([b"a", b"b"])


def rejected(message: str) -> Delivery:
    """A delivery with one rejected document."""
    return Delivery(rejected=(RejectedDocument(reason="malformed", digest=message.encode(), message=message),))


def task(key: str) -> Delivery:
    """A delivery that announces something."""
    return Delivery(new_tasks=(Task(key=key, due=NOW),))


class TestSecret:
    """Who may send."""

    @pytest.mark.parametrize(
        ("headers", "admitted"),
        [
            ({"Authorization": "Bearer s3cret"}, True),
            ({"authorization": "bearer  s3cret "}, True),
            ({"x-own": "s3cret"}, True),
            ({"Authorization": "Basic s3cret", "X-Own": "s3cret"}, True),
            ({"Authorization": "s3cret"}, False),
            ({"Authorization": "Basic s3cret"}, False),
            ({"Authorization": "Bearer s3cre"}, False),
            ({"Authorization": "Bearer s3crets"}, False),
            ({"Authorization": "Bearer S3CRET"}, False),
            ({"Authorization": "Bearer"}, False),
            ({"X-Own": "Bearer s3cret"}, False),
            ({"X-Own": ""}, False),
            ({}, False),
        ],
    )
    async def test_it_must_be_shown_as_configured(self, headers: dict[str, str], *, admitted: bool) -> None:
        """In one of the headers, after its scheme, as a whole."""
        assert Bench(secret=Secret("s3cret")).endpoint.admits(Headers(headers)) is admitted

    async def test_it_may_have_any_letters(self) -> None:
        """It is compared as the bytes that are sent: UTF-8 is not refused, what cannot be in a header is only wrong."""
        endpoint = Bench(secret=Secret("grüße")).endpoint
        assert endpoint.admits(Headers(raw=[(b"x-own", "grüße".encode())]))
        assert not endpoint.admits(Headers(raw=[(b"x-own", "grüße".encode("latin-1"))]))
        assert not endpoint.admits({"X-Own": "\u20ac"})

    async def test_without_a_secret_nobody_is_let_in(self) -> None:
        """A receiver that forgot its secret is closed, not open."""
        assert not Bench().endpoint.admits({"X-Own": ""})

    async def test_its_file_is_read_again(self, tmp_path: Path) -> None:
        """A rotated secret holds from the next request on; the old one no longer does."""
        file = tmp_path / "secret"
        file.write_text("old\n")
        endpoint = Bench(secret_file=str(file)).endpoint
        assert endpoint.admits({"X-Own": "old"})
        file.write_text("new\n")
        assert endpoint.admits({"X-Own": "new"})
        assert not endpoint.admits({"X-Own": "old"})

    @pytest.mark.parametrize("content", [None, b"", b"hidden\nhidden", b"\xff"])
    async def test_a_file_that_cannot_be_read(
        self, tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Nobody is let in; the log names source and file, the sender is told neither."""
        file = tmp_path / "secret"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(NotNowError) as raised:
            Bench(secret_file=str(file)).endpoint.admits({"X-Own": "x"})
        assert str(file) not in str(raised.value)
        why = "[Errno 2]" if content is None else str(file)
        assert f"one: what was sent is refused, the secret cannot be read: {why}" in caplog.text
        assert "hidden" not in caplog.text


class TestTake:
    """What becomes of a body."""

    async def test_limits_are_those_of_the_receiver(self) -> None:
        """The web layer learns them from the vendor's package."""
        endpoint = Bench().endpoint
        assert (endpoint.most_bytes, endpoint.most_seconds) == (7, 3.0)

    async def test_deliveries_are_summed_up(self) -> None:
        """Each is committed, in its order; the body is read once, beside the event loop."""
        deliveries = (Delivery(reports=(report(peer("p1", audio([0.1]))),)), rejected("at 3: broken"), Delivery())
        bench = Bench(*deliveries)
        bench.receipts = iter((Receipt(new=1, grown=2), Receipt(duplicate=4, rejected=1)))
        assert await bench.take() == Received(
            usable=True, new=1, grown=2, duplicate=4, rejected=1, problems=("at 3: broken",)
        )
        assert bench.delivered == [*deliveries[:2]]
        ((body, now, thread),) = bench.read
        assert (body, now) == (b"ab", NOW)
        assert thread != threading.main_thread().name

    async def test_only_rejections_are_of_no_use(self) -> None:
        """Also when they are known already, so that nothing is counted; the first few are told."""
        bench = Bench(*(rejected(f"at {number}") for number in range(15)), Delivery())
        received = await bench.take()
        assert not received.usable
        assert received.problems == tuple(f"at {number}" for number in range(10))

    async def test_what_says_nothing_is_no_mistake(self) -> None:
        """An empty array, an event of no interest: fine, and nothing to commit."""
        bench = Bench(Delivery())
        assert await bench.take() == Received(usable=True)
        assert bench.delivered == []

    async def test_a_body_that_is_refused(self) -> None:
        """Its reason is told; what came before it stays."""
        bench = Bench(task("a"), fails=UnusableBodyError("expected an object"))
        received = await bench.take()
        assert (received.usable, received.problems) == (False, ("expected an object",))
        assert bench.delivered == [task("a")]

    async def test_the_same_news_is_committed_once(self) -> None:
        """A burst of it costs no burst of commits; what comes with it, or is new, is committed."""
        bench = Bench(task("a"))
        await bench.take()
        await bench.take()
        assert bench.delivered == [task("a")]
        bench.makes = [Delivery(new_tasks=(Task(key="a", due=NOW), Task(key="b", due=NOW)))]
        await bench.take()
        assert len(bench.delivered) == 2
        bench.makes = [
            Delivery(new_tasks=(Task(key="a", due=NOW),), read_objects=(ObjectIdentity(name="x", tag="y"),)),
        ]
        await bench.take()
        await bench.take()
        assert len(bench.delivered) == 4

    async def test_news_is_known_only_once_it_is_safe(self) -> None:
        """When the commit fails, the same news is committed when it comes again."""
        bench = Bench(task("a"))
        bench.failure = NotNowError("later")
        with pytest.raises(NotNowError):
            await bench.take()
        bench.failure = None
        await bench.take()
        assert bench.delivered == [task("a")]

    async def test_what_is_known_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The oldest is forgotten first; it costs a commit again, and nothing else."""
        monkeypatch.setattr("exporter.pipeline.receiving._KNOWN_KEYS", 1)
        bench = Bench(task("a"), task("b"))
        await bench.take()
        bench.makes = [task("b"), task("a")]
        await bench.take()
        assert bench.delivered == [task("a"), task("b"), task("a")]

    async def test_a_fault_is_not_hidden(self, caplog: pytest.LogCaptureFixture) -> None:
        """The web layer answers 500 and logs it; the next body is taken."""
        bench = Bench(fails=ZeroDivisionError())
        with caplog.at_level(logging.WARNING), pytest.raises(ZeroDivisionError):
            await bench.take()
        bench.fails = None
        assert (await bench.take()).usable

    async def test_a_sender_that_is_cut_off_waits_for_the_step(self) -> None:
        """The body is closed after that: it must not be read any more by then."""
        entered, gate, read = threading.Event(), threading.Event(), threading.Event()
        bench = Bench()

        def slow() -> Iterator[bytes]:
            entered.set()
            gate.wait(10.0)
            yield b"x"
            read.set()

        taking = asyncio.create_task(bench.endpoint.take(slow()))
        await asyncio.to_thread(entered.wait, 10.0)
        taking.cancel()
        await asyncio.sleep(0)
        assert not taking.done()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await taking
        assert read.is_set()
