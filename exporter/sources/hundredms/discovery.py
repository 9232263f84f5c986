"""Walks the pages of the listing of finished sessions, to their end and never in a circle."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from exporter.sources.hundredms.answers import AnswerTooLargeError, RequestError
from exporter.sources.hundredms.document import MalformedError
from exporter.sources.hundredms.sessions import FEWEST_ROWS_PER_PAGE, ROWS_PER_PAGE, read_page
from exporter.told import quote, told

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from exporter.sources.base import PollFailure
    from exporter.sources.hundredms.client import ApiClient
    from exporter.sources.hundredms.sessions import Page
    from exporter.sources.hundredms.settings import Discovery

_PATH = "sessions"
#: Bodies from this size on are worked up in a thread, so that scrapes are answered meanwhile.
LARGE_BODY_BYTES = 64 * 1024
#: A million sessions; a listing that goes on after that has no end.
MOST_PAGES = 10_000


class Which(Struct, frozen=True, kw_only=True):
    """The sessions that are listed."""

    #: Those that started from then on, in Unix seconds.
    since: float
    #: And not later than that; None: whenever.
    until: float | None = None
    #: Only those of this room; empty: of all.
    room_id: str = ""

    def query(self) -> dict[str, str]:
        """Says so in the vendor's words."""
        query = {"active": "false", "after": _iso(self.since)}
        if self.until is not None:
            query["before"] = _iso(self.until)
        if self.room_id:
            query["room_id"] = self.room_id
        return query


async def list_pages(client: ApiClient, discovery: Discovery, which: Which) -> AsyncGenerator[Page]:
    """Lists finished sessions, newest first.

    Args:
        client: makes the calls.
        discovery: the excluded roles, and what is read of peers.
        which: the sessions.

    Yields:
        Page after page, until one is empty, short or without a cursor, or its cursor or all of it was there before.

    Raises:
        RequestError: a page could not be had or read, or the listing has no end.
    """
    query = which.query()
    rows = ROWS_PER_PAGE
    seen = {""}
    listed: set[str | bytes] = set()
    cursor = ""
    for _ in range(MOST_PAGES):
        asked = query | {"limit": str(rows)}
        try:
            answer = await client.get(_PATH, asked | {"start": cursor} if cursor else asked)
        except AnswerTooLargeError:
            # A session may have 20 000 peers, and each stands in the listing.
            if rows == FEWEST_ROWS_PER_PAGE:
                raise
            rows = FEWEST_ROWS_PER_PAGE
            continue
        if not answer.found:
            reason: PollFailure = "http_status"
            raise RequestError(reason, told(f"{_PATH}: answered with status {answer.status}"))
        try:
            if len(answer.body) < LARGE_BODY_BYTES:
                page = read_page(answer.body, discovery.exclude_roles, discovery.personal_labels, rows)
            else:
                page = await asyncio.to_thread(
                    read_page, answer.body, discovery.exclude_roles, discovery.personal_labels, rows
                )
        except MalformedError as error:
            reason = "malformed"
            raise RequestError(reason, told(f"{_PATH}: ", quote(error))) from None
        yield structs.replace(page, date=answer.date)
        cursor = page.cursor
        here = {found.session.session_id for found in page.found} | {rejected.digest for rejected in page.rejected}
        # Cursors may be new for ever while the sessions come again.
        if cursor in seen or (here and here <= listed):
            return
        seen.add(cursor)
        listed |= here
    reason = "malformed"
    raise RequestError(reason, told(f"{_PATH}: the listing has no end: {MOST_PAGES} pages, and there are more"))


def _iso(seconds: float) -> str:
    """The time as the vendor writes it: `YYYY-MM-DDTHH:mm:ss.sssZ`."""
    moment = datetime.fromtimestamp(max(seconds, 0.0), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
