"""The object-store library as a source's thread uses it: as if it blocked, but no wait is without end."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from obstore import GetOptions, GetResult, ListResult, ObjectMeta
    from obstore.store import AzureStore, GCSStore, S3Store

    from exporter.sources.watchrtc.worker import Worker

_T = TypeVar("_T")


class PatientStore:
    """Those methods of the library's stores that `CloudStore` calls, in a step of a worker.

    The library's own blocking methods hold their thread for as long as a store cares to send a byte now and then; not
    even the end of the process would end them.
    """

    def __init__(self, store: S3Store | GCSStore | AzureStore, worker: Worker) -> None:
        self._store = store
        self._worker = worker

    def list(self, prefix: str | None, *, offset: str | None, chunk_size: int) -> Iterator[Sequence[ObjectMeta]]:
        """As the library's: the objects, a part at a time."""
        return _each(self._store.list(prefix, offset=offset, chunk_size=chunk_size), self._worker)

    def list_with_delimiter(self, prefix: str | None) -> ListResult[Sequence[ObjectMeta]]:
        """As the library's: the objects of a folder, and the folders in it."""
        return self._worker.wait(self._store.list_with_delimiter_async(prefix))

    def get(self, path: str, *, options: GetOptions | None = None) -> PatientResult:
        """As the library's: an object, or a part of it, of which the head is there."""
        return PatientResult(self._worker.wait(self._store.get_async(path, options=options)), self._worker)


class PatientResult:
    """An object that is being read."""

    def __init__(self, result: GetResult, worker: Worker) -> None:
        self._result = result
        self._worker = worker

    @property
    def meta(self) -> ObjectMeta:
        """As the library's."""
        return self._result.meta

    def stream(self, min_chunk_size: int) -> Iterator[bytes]:
        """As the library's: the bytes, in pieces of at least that size."""
        return _each(self._result.stream(min_chunk_size), self._worker)


def _each(stream: AsyncIterator[_T], worker: Worker) -> Iterator[_T]:
    while (part := worker.wait(_following(stream))) is not None:
        yield part


async def _following(stream: AsyncIterator[_T]) -> _T | None:
    """The next part; None at the end."""
    try:
        # Not `anext(stream, None)`, which waits for the library's futures by asking them without a pause.
        return await anext(stream)
    except StopAsyncIteration:
        return None
