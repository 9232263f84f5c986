"""Walks the pages of the listing of finished sessions, to their end and never in a circle."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from exporter.sources.hundredms.answers import RequestError
from exporter.sources.hundredms.document import MalformedError
from exporter.sources.hundredms.sessions import ROWS_PER_PAGE, read_page
from exporter.told import quote, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from exporter.sources.base import PollFailure
    from exporter.sources.hundredms.client import ApiClient
    from exporter.sources.hundredms.sessions import Page
    from exporter.sources.hundredms.settings import Discovery

_PATH = "sessions"
#: Bodies from this size on are worked up in a thread, so that scrapes are answered meanwhile.
LARGE_BODY_BYTES = 64 * 1024


async def list_pages(client: ApiClient, discovery: Discovery, room_id: str, now: float) -> AsyncIterator[Page]:
    """Lists the finished sessions that started within the look-back, newest first.

    Args:
        client: makes the calls.
        discovery: the look-back and the excluded roles.
        room_id: only this room; empty: all.
        now: Unix seconds.

    Yields:
        Page after page, until one is empty, short or without a cursor, or its cursor was there before.

    Raises:
        RequestError: a page could not be had or read.
    """
    query = {"active": "false", "after": _iso(now - discovery.lookback), "limit": str(ROWS_PER_PAGE)}
    if room_id:
        query["room_id"] = room_id
    seen = {""}
    cursor = ""
    while True:
        answer = await client.get(_PATH, query | {"start": cursor} if cursor else query)
        if not answer.found:
            reason: PollFailure = "http_status"
            raise RequestError(reason, told(f"{_PATH}: answered with status {answer.status}"))
        try:
            if len(answer.body) < LARGE_BODY_BYTES:
                page = read_page(answer.body, discovery.exclude_roles)
            else:
                page = await asyncio.to_thread(read_page, answer.body, discovery.exclude_roles)
        except MalformedError as error:
            reason = "malformed"
            raise RequestError(reason, told(f"{_PATH}: ", quote(error))) from None
        yield page
        cursor = page.cursor
        if cursor in seen:
            return
        seen.add(cursor)


def _iso(seconds: float) -> str:
    """The time as the vendor writes it: `YYYY-MM-DDTHH:mm:ss.sssZ`."""
    moment = datetime.fromtimestamp(max(seconds, 0.0), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
