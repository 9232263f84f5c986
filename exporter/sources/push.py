"""What the sources that take documents by `POST /ingest/NAME` have in common: the token and the limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from exporter.config_rules import Broken, exactly_one
from exporter.sources.base import Receiver
from exporter.values import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from exporter.sources.base import Delivery

#: As large as one document may be; larger ones belong into a store.
MOST_BYTES = 64 << 20
_MOST_SECONDS = 300.0
#: The second one is for exporters whose `--web.config.file` has users: one request has one Authorization.
_HEADERS = (("Authorization", "Bearer"), ("X-Ingest-Token", ""))


class PushSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Accepts documents by `POST /ingest/NAME` from whoever knows the token."""

    token: Secret | None = None
    token_file: str | None = None

    def problems(self) -> list[Broken]:
        """Names a missing token, and one too many."""
        return exactly_one(token=self.token, token_file=self.token_file)


def push_receiver(
    push: PushSettings | None, read: Callable[[Iterable[bytes], float], Iterator[Delivery]]
) -> Receiver | None:
    """What a source takes by push; None where `push` is not configured.

    Args:
        push: the token.
        read: makes deliveries of a body, as `Receiver.read` does.
    """
    if push is None:
        return None
    return Receiver(
        headers=_HEADERS,
        secret=push.token,
        secret_file=push.token_file,
        most_bytes=MOST_BYTES,
        most_seconds=_MOST_SECONDS,
        read=read,
    )
