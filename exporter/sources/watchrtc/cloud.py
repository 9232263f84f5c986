"""Buckets of S3 and what speaks like it, Google Cloud Storage and Azure Blob Storage."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from exporter.sources.base import ObjectIdentity, PollError
from exporter.sources.watchrtc.cloud_errors import is_of_library, understand
from exporter.sources.watchrtc.stores import Listing, ObjectMovedError, ObjectUnreadableError, StoredObject
from exporter.told import quote, told

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from obstore import ObjectMeta
    from obstore.store import AzureStore, GCSStore, S3Store

    from exporter.sources.base import PollFailure
    from exporter.sources.watchrtc.location import Bucket, Scheme
    from exporter.sources.watchrtc.patient_store import PatientStore

    Store: TypeAlias = S3Store | GCSStore | AzureStore
    #: Is told of each request how it was answered (`exporter.sources.base.Events.http_request`).
    Tell: TypeAlias = Callable[[str, float], None]

_T = TypeVar("_T")

_CHUNK = 1 << 20
#: As many as one answer lists, so that a part of the listing is one request.
_ANSWERED: dict[Scheme, int] = {"s3": 1000, "gs": 1000, "az": 5000}
#: As many as are handed on at once.
_LISTED = 1000
#: Google sends what is stored with `Content-Encoding: gzip` without its length, which the library insists on: from some
#: 9 MB on always, below unless gzip is asked for (apache/arrow-rs-object-store#774).
_GOOGLE_PART = 8 << 20
#: A character past `/`: as an offset it leaves out what lies under a part that is empty, `.` or `..`.
_AFTER_SLASH = "0"
_LONGEST_NAME = 200


class CloudStore:
    """Lists and reads the objects of a bucket."""

    def __init__(
        self, bucket: Bucket, store: Store | PatientStore, tell: Tell, *, reading: Store | PatientStore | None = None
    ) -> None:
        """Makes the store; nothing is asked yet.

        Args:
            bucket: where the objects lie, for their names.
            store: the library's, with the bucket's folder as its prefix.
            tell: is told of each page and each read: the status of the answer, as far as the library shows it, and the
                seconds that were waited for it. What the library asks again by itself it does not show.
            reading: the library's for reading, where that is another one.
        """
        self._bucket = bucket
        self._store = store
        self._tell = tell
        self._reading = reading or store

    def list_objects(self) -> Generator[Listing, None, None]:
        """Every object, a page at a time."""
        folders = [""]
        while folders:
            folders += yield from self._list(folders.pop())

    def read_object(self, found: StoredObject) -> Generator[bytes, None, None]:
        """The object's bytes, if it is still the version that was listed."""
        if self._bucket.scheme != "gs" or found.size <= _GOOGLE_PART:
            yield from self._read(found, None)
            return
        for start in range(0, found.size, _GOOGLE_PART):
            yield from self._read(found, (start, min(start + _GOOGLE_PART, found.size)))

    def _read(self, found: StoredObject, part: tuple[int, int] | None) -> Generator[bytes, None, None]:
        """The bytes of an object, or of a part of it: from its first byte to the one before its last."""
        pieces = self._answer(found, part)
        code, waited = "200", 0.0
        try:
            while True:
                asked = time.monotonic()
                try:
                    piece = next(pieces, None)
                finally:
                    waited += time.monotonic() - asked
                if piece is None:
                    return
                yield piece
        except (ObjectMovedError, GeneratorExit):
            raise
        except FileNotFoundError:
            code = "404"
            raise ObjectMovedError from None
        except BaseException as error:
            if not is_of_library(error):
                raise
            trouble = understand(error)
            code = trouble.code
            raise ObjectUnreadableError(trouble.text, trouble.blame) from None
        finally:
            self._tell(code, waited)

    def _answer(self, found: StoredObject, part: tuple[int, int] | None) -> Generator[bytes, None, None]:
        path = found.address
        answer = self._reading.get(path, options={"range": part}) if part else self._reading.get(path)
        if _tag(answer.meta) != found.identity.tag:
            raise ObjectMovedError
        yield from answer.stream(min_chunk_size=_CHUNK)

    def _list(self, folder: str) -> Generator[Listing, None, Sequence[str]]:
        """A folder with all below it, where that is possible; else its own objects, and the folders below are returned.

        The library refuses a whole listing for one key that it cannot address (`a//b`, `../x`, control characters).
        """
        try:
            yield from self._pages(folder, None)
        except _OddKeyError as error:
            odd = error
        else:
            return ()
        try:
            parts = self._asked(lambda: self._store.list_with_delimiter(folder or None))
        except _OddKeyError as error:
            trouble = told(f"{self._bucket}: a key cannot be read, and some beside it not either: ", quote(error))
            yield Listing(problems=(trouble,))
            try:
                yield from self._pages(folder, f"{folder}/{_AFTER_SLASH}" if folder else _AFTER_SLASH)
            except _OddKeyError as again:
                if str(again) != str(odd):
                    yield Listing(problems=(told(f"{self._bucket}: a key cannot be read: ", quote(again)),))
            return ()
        yield from self._page(parts["objects"])
        return parts["common_prefixes"]

    def _pages(self, folder: str, offset: str | None) -> Iterator[Listing]:
        pages = iter(self._store.list(folder or None, offset=offset, chunk_size=_ANSWERED[self._bucket.scheme]))
        beginnings: set[str] = set()
        page = self._asked(lambda: next(pages, None))
        while page is not None:
            yield from self._page(page)
            first = page[0]["path"] if page else None
            if first in beginnings:
                # The library follows wherever a store leads it.
                reason: PollFailure = "malformed"
                name = quote(f"{str(first)[:_LONGEST_NAME]!r}")
                raise PollError(reason, told(f"{self._bucket}: the listing goes in a circle, back to ", name))
            beginnings.update([first] if first else [])
            # After the last page nothing is asked.
            page = self._asked(lambda: next(pages, None), was_request=lambda answer: answer is not None)

    def _page(self, page: Sequence[ObjectMeta]) -> Iterator[Listing]:
        for start in range(0, len(page), _LISTED):
            objects = tuple(
                StoredObject(
                    identity=ObjectIdentity(f"{self._bucket}/{meta['path']}", _tag(meta)),
                    size=meta["size"],
                    modified=meta["last_modified"].timestamp(),
                    address=meta["path"],
                )
                for meta in page[start : start + _LISTED]
            )
            yield Listing(objects=objects)

    def _asked(self, ask: Callable[[], _T], *, was_request: Callable[[_T], bool] = lambda _: True) -> _T:
        """The answer to a question about the store as a whole.

        Raises:
            PollError: it was not answered.
            _OddKeyError: the library cannot address one of the keys.
        """
        started = time.monotonic()
        try:
            answer = ask()
        except BaseException as error:
            if not is_of_library(error):
                raise
            trouble = understand(error)
            self._tell(trouble.code, time.monotonic() - started)
            if type(error).__name__ == "InvalidPathError":
                raise _OddKeyError(trouble.text) from None
            msg = told(f"{self._bucket}: cannot be listed: ", quote(trouble.text))
            raise PollError(trouble.failure, msg) from None
        if was_request(answer):
            self._tell("200", time.monotonic() - started)
        return answer


def _tag(meta: ObjectMeta) -> str:
    # Azure lists ETags without the quotes that it answers with; a weak one tells versions apart as well.
    tag = (meta["e_tag"] or "").removeprefix("W/").strip('"')
    # A listing tells the time more finely than an answer does.
    return f"{tag or int(meta['last_modified'].timestamp())}-{meta['size']}"


class _OddKeyError(Exception):
    """The library cannot address a key; the text names it."""
