"""What others send to a source: who may send, and the way of a body into the ledger."""

from __future__ import annotations

import asyncio
import hmac
import logging
from typing import TYPE_CHECKING, TypeVar

from exporter.face import NotNowError, Received
from exporter.sources.base import UnusableBodyError
from exporter.values import read_secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

    from exporter.sources.base import Delivery, Receipt, Receiver

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

#: Problems that a sender is told of; more of them say no more.
_TOLD_PROBLEMS = 10
#: Keys of tasks that are known to be remembered, so that a burst of the same news costs one commit.
_KNOWN_KEYS = 10_000


class SourceEndpoint:
    """One source's side of a route: `exporter.face.Endpoint`."""

    def __init__(
        self,
        source: str,
        receiver: Receiver,
        deliver: Callable[[Delivery], Awaitable[Receipt]],
        now: Callable[[], float],
    ) -> None:
        """Makes the endpoint.

        Args:
            source: its name, for the log.
            receiver: what the vendor's package makes of its settings.
            deliver: commits a delivery of the source.
            now: Unix seconds.
        """
        self._source = source
        self._receiver = receiver
        self._deliver = deliver
        self._now = now
        # One body after another: beside each other they would only wait for the ledger, each with its memory.
        self._turn = asyncio.Lock()
        self._known: dict[str, None] = {}

    @property
    def most_bytes(self) -> int:
        """The most bytes of a body."""
        return self._receiver.most_bytes

    @property
    def most_seconds(self) -> float:
        """The most seconds that a body may take to arrive."""
        return self._receiver.most_seconds

    def admits(self, headers: Mapping[str, str]) -> bool:
        """Whether the sender shows the secret; the comparison takes as long for any that is as long as the secret.

        Raises:
            NotNowError: the secret cannot be read; the log says why.
        """
        try:
            secret = read_secret(self._receiver.secret, self._receiver.secret_file)
        except (OSError, ValueError) as error:
            logger.warning("%s: what was sent is refused, the secret cannot be read: %s", self._source, error)
            message = "the secret of this source cannot be read; the exporter's log says why"
            raise NotNowError(message) from None
        expected = b"" if secret is None else secret.reveal().encode()
        shown = (_shown(headers.get(name, ""), scheme) for name, scheme in self._receiver.headers)
        return bool(expected) and any(hmac.compare_digest(each, expected) for each in shown)

    async def take(self, chunks: Iterable[bytes]) -> Received:
        """Commits what a body says, piece by piece; a body that is cut short by a failure may be sent again.

        Raises:
            NotNowError: the configuration is being replaced.
        """
        usable, problems = False, list[str]()
        new = grown = duplicate = rejected = 0
        async with self._turn:
            deliveries = self._receiver.read(chunks, self._now())
            try:
                while (delivery := await _in_thread(_next, deliveries)) is not None:
                    usable = usable or bool(delivery.reports)
                    problems += [each.message for each in delivery.rejected[: _TOLD_PROBLEMS - len(problems)]]
                    if self._is_known(delivery):
                        continue
                    receipt = await self._deliver(delivery)
                    self._remember(delivery)
                    new, grown = new + receipt.new, grown + receipt.grown
                    duplicate, rejected = duplicate + receipt.duplicate, rejected + receipt.rejected
            except UnusableBodyError as error:
                problems.append(str(error))
        return Received(
            usable=usable or not problems,
            new=new,
            grown=grown,
            duplicate=duplicate,
            rejected=rejected,
            problems=tuple(problems),
        )

    def _is_known(self, delivery: Delivery) -> bool:
        return _only_announces(delivery) and all(task.key in self._known for task in delivery.new_tasks)

    def _remember(self, delivery: Delivery) -> None:
        if _only_announces(delivery):
            self._known.update(dict.fromkeys(task.key for task in delivery.new_tasks))
            while len(self._known) > _KNOWN_KEYS:
                del self._known[next(iter(self._known))]


def _only_announces(delivery: Delivery) -> bool:
    others: Sequence[object] = (
        *delivery.reports,
        *delivery.rejected,
        *delivery.postponed_tasks,
        *delivery.finished_tasks,
        *delivery.read_objects,
        *delivery.facts,
        *delivery.skipped_peers,
    )
    return not others


def _shown(value: str, scheme: str) -> bytes:
    """What a header shows, as the bytes that were sent; nothing where the scheme is another one."""
    if scheme:
        said, _, value = value.partition(" ")
        if said.lower() != scheme.lower():
            return b""
    return value.strip().encode("latin-1", "replace")


def _next(deliveries: Iterator[Delivery]) -> Delivery | None:
    return next(deliveries, None)


async def _in_thread(function: Callable[[Iterator[Delivery]], _T], deliveries: Iterator[Delivery]) -> _T:
    """Runs a blocking step beside the event loop.

    A caller that is cancelled waits for the step to end: the body must not be closed while it is read.
    """
    step = asyncio.ensure_future(asyncio.to_thread(function, deliveries))
    try:
        return await asyncio.shield(step)
    except asyncio.CancelledError:
        await asyncio.wait([step])
        raise
