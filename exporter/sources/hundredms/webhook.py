"""The vendor's webhooks: what `POST /webhooks/NAME` takes. Pure: bytes in, tasks out.

https://www.100ms.live/docs/server-side/v2/how-to-guides/configure-webhooks/webhook
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

from exporter.sources.base import Delivery, Receiver, UnusableBodyError
from exporter.sources.hundredms.announcements import announcement_task
from exporter.sources.hundredms.document import MalformedError, decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from exporter.sources.hundredms.announcements import News
    from exporter.sources.hundredms.settings import HundredMsSettings

logger = logging.getLogger(__name__)

MOST_BYTES = 1 << 20
#: The vendor tries again when it has no answer; its own patience is not documented.
_MOST_SECONDS = 10.0
_NEWS: Final[Mapping[object, News]] = {"session.close.success": "closed", "peer.leave.success": "left"}
#: The vendor's ids are 24 hexadecimal digits. An id becomes part of a path: it must not be able to lead elsewhere.
_ID = re.compile(r"[0-9A-Za-z_-]{1,128}")


def webhook_receiver(settings: HundredMsSettings) -> Receiver | None:
    """What a source takes by webhook; None where `webhook` is not configured."""
    webhook = settings.webhook
    if webhook is None:
        return None

    def read(chunks: Iterable[bytes], now: float) -> Iterator[Delivery]:
        yield read_event(b"".join(chunks), settings, now)

    return Receiver(
        headers=((webhook.header, ""),),
        secret=webhook.secret,
        secret_file=webhook.secret_file,
        most_bytes=MOST_BYTES,
        most_seconds=_MOST_SECONDS,
        read=read,
    )


def is_plain_id(text: object) -> bool:
    """Whether it is an id that can stand in a path."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def read_event(raw: bytes, settings: HundredMsSettings, now: float) -> Delivery:
    """The task that follows from an event; nothing follows from other events, and from those without a session.

    What came before, or came twice, has the same task: the ledger keeps the first.

    Args:
        raw: the body.
        settings: the waits.
        now: Unix seconds.

    Raises:
        UnusableBodyError: the body is no JSON object.
    """
    try:
        event = decode(raw)
    except MalformedError as error:
        message = f"expected an event as a JSON object: {error}"
        raise UnusableBodyError(message) from None
    if not isinstance(event, dict):
        message = f"expected an event as a JSON object, got {type(event).__name__}"
        raise UnusableBodyError(message)
    kind = event.get("type")
    news = _NEWS.get(kind) if isinstance(kind, str) else None
    if news is None:
        return Delivery()
    data = event.get("data")
    session_id = data.get("session_id") if isinstance(data, dict) else None
    if not isinstance(session_id, str) or not is_plain_id(session_id):
        logger.info("%s: a webhook %s has no session id, ignored", settings.name, kind)
        return Delivery()
    return Delivery(new_tasks=(announcement_task(session_id, news, settings, now),))
