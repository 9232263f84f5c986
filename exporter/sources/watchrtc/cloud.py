"""Buckets of S3 and what speaks like it, Google Cloud Storage and Azure Blob Storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from exporter.sources.base import ObjectIdentity, PollError
from exporter.sources.watchrtc.cloud_errors import is_of_library, understand
from exporter.sources.watchrtc.stores import Listing, ObjectMovedError, ObjectUnreadableError, StoredObject
from exporter.told import quote, told

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from obstore import ObjectMeta
    from obstore.store import AzureStore, GCSStore, S3Store

    from exporter.sources.watchrtc.location import Bucket

_T = TypeVar("_T")

_CHUNK = 1 << 20
#: As many as one answer of a store lists.
_LISTED = 1000
#: A character past `/`: as an offset it leaves out what lies under a part that is empty, `.` or `..`.
_AFTER_SLASH = "0"


class CloudStore:
    """Lists and reads the objects of a bucket."""

    def __init__(self, bucket: Bucket, store: S3Store | GCSStore | AzureStore) -> None:
        """Makes the store; nothing is asked yet.

        Args:
            bucket: where the objects lie, for their names.
            store: the library's, with the bucket's folder as its prefix.
        """
        self._bucket = bucket
        self._store = store

    def list_objects(self) -> Generator[Listing, None, None]:
        """Every object, a page at a time."""
        folders = [""]
        while folders:
            folders += yield from self._list(folders.pop())

    def read_object(self, found: StoredObject) -> Generator[bytes, None, None]:
        """The object's bytes, if it is still the version that was listed."""
        try:
            answer = self._store.get(found.address)
            _check_same(found, answer.meta)
            yield from answer.stream(min_chunk_size=_CHUNK)
        except (ObjectMovedError, GeneratorExit):
            raise
        except FileNotFoundError:
            raise ObjectMovedError from None
        except BaseException as error:
            if not is_of_library(error):
                raise
            trouble = understand(error)
            raise ObjectUnreadableError(trouble.text, trouble.blame) from None

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
            parts = _asked(lambda: self._store.list_with_delimiter(folder or None), self._bucket)
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
        pages = iter(self._store.list(folder or None, offset=offset, chunk_size=_LISTED))
        while (page := _asked(lambda: next(pages, None), self._bucket)) is not None:
            yield from self._page(page)

    def _page(self, page: Sequence[ObjectMeta]) -> Iterator[Listing]:
        objects = tuple(
            StoredObject(
                identity=ObjectIdentity(f"{self._bucket}/{meta['path']}", _tag(meta)),
                size=meta["size"],
                modified=meta["last_modified"].timestamp(),
                address=meta["path"],
            )
            for meta in page
        )
        if objects:
            yield Listing(objects=objects)


def _check_same(found: StoredObject, meta: ObjectMeta) -> None:
    if _tag(meta) != found.identity.tag:
        raise ObjectMovedError


def _tag(meta: ObjectMeta) -> str:
    # Azure lists ETags without the quotes that it answers with; a weak one tells versions apart as well.
    tag = (meta["e_tag"] or "").removeprefix("W/").strip('"')
    # A listing tells the time more finely than an answer does.
    return f"{tag or int(meta['last_modified'].timestamp())}-{meta['size']}"


class _OddKeyError(Exception):
    """The library cannot address a key; the text names it."""


def _asked(ask: Callable[[], _T], bucket: Bucket) -> _T:
    """The answer to a question about the store as a whole.

    Raises:
        PollError: it was not answered.
        _OddKeyError: the library cannot address one of the keys.
    """
    try:
        return ask()
    except BaseException as error:
        if not is_of_library(error):
            raise
        trouble = understand(error)
        if type(error).__name__ == "InvalidPathError":
            raise _OddKeyError(trouble.text) from None
        msg = told(f"{bucket}: cannot be listed: ", quote(trouble.text))
        raise PollError(trouble.failure, msg) from None
