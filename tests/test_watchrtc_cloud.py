"""What the object-store library answers, and what is made of it."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from exporter.sources.base import ObjectIdentity, PollError
from exporter.sources.watchrtc.cloud import CloudStore
from exporter.sources.watchrtc.cloud_errors import StoreTrouble, understand
from exporter.sources.watchrtc.location import Bucket
from exporter.sources.watchrtc.stores import ObjectMovedError, ObjectUnreadableError, StoredObject

if TYPE_CHECKING:
    from collections.abc import Iterator

MARCH = datetime(2026, 3, 1, 10, 0, 0, 750_000, tzinfo=UTC)


class PanicException(BaseException):
    """As the library raises it."""


class InvalidPathError(Exception):
    """As the library raises it."""


def meta(path: str = "a", e_tag: str | None = None) -> dict[str, object]:
    """An object as the library lists it."""
    return {"path": path, "last_modified": MARCH, "size": 2, "e_tag": e_tag, "version": None}


class FakeStore:
    """Answers as a test says; what is an exception is raised."""

    def __init__(self, *, listed: list[Any] | None = None, got: object = None, below: object = None) -> None:
        self.listed, self.got, self.below = listed or [], got, below

    def list(self, prefix: str | None, *, offset: str | None, chunk_size: int) -> Iterator[object]:
        """The pages."""
        assert (prefix, offset, chunk_size) in {(None, None, 5000), (None, "0", 5000)}
        for page in self.listed:
            if isinstance(page, BaseException):
                raise page
            yield page

    def list_with_delimiter(self, prefix: str | None) -> object:
        """The folders."""
        assert prefix is None
        assert isinstance(self.below, BaseException)
        raise self.below

    def get(self, path: str) -> object:
        """The object."""
        assert path == "a"
        if isinstance(self.got, BaseException):
            raise self.got
        return self.got


def cloud(told: list[str] | None = None, **answers: Any) -> CloudStore:  # noqa: ANN401 - passed on
    """A store with these answers, which notes the codes that are told."""
    codes = told if told is not None else []
    return CloudStore(Bucket("az", "c", ""), cast("Any", FakeStore(**answers)), lambda code, _: codes.append(code))


FOUND = StoredObject(identity=ObjectIdentity("az://c/a", "x-2"), size=2, modified=0.0, address="a")


class Answer:
    """An answer with a body of two pieces."""

    def __init__(self, e_tag: str) -> None:
        self.meta = meta(e_tag=e_tag)

    def stream(self, min_chunk_size: int) -> Iterator[bytes]:
        """The pieces."""
        assert min_chunk_size == 1 << 20
        yield from (b"[", b"]")


@pytest.mark.parametrize("e_tag", ["x", '"x"', 'W/"x"'])
def test_etags_are_compared_whatever_their_quotes(e_tag: str) -> None:
    """Azure lists them without and answers with quotes."""
    ((listed,),) = [page.objects for page in cloud(listed=[[meta(e_tag=e_tag)]]).list_objects()]
    assert listed.identity == FOUND.identity
    assert listed.modified == pytest.approx(1_772_359_200.75)
    assert list(cloud(got=Answer(e_tag)).read_object(FOUND)) == [b"[", b"]"]


def test_another_version_is_not_read() -> None:
    """Nor one that is gone."""
    for got in (Answer('"y"'), FileNotFoundError("Object at location a not found")):
        with pytest.raises(ObjectMovedError):
            list(cloud(got=got).read_object(FOUND))


def test_without_an_etag_time_and_size_tell_versions_apart() -> None:
    """To the second, as an answer's header has no more."""
    ((listed,),) = [page.objects for page in cloud(listed=[[], [meta()]]).list_objects()]
    assert listed.identity == ObjectIdentity("az://c/a", "1772359200-2")


def test_a_panic_of_the_library_ends_nothing_but_the_poll() -> None:
    """It is no `Exception`, and would pass by everything that keeps the process alive."""
    with pytest.raises(PollError, match="az://c: cannot be listed: a fault of the object-store library"):
        list(cloud(listed=[PanicException("secret")]).list_objects())
    with pytest.raises(ObjectUnreadableError, match="a fault of the object-store library") as caught:
        list(cloud(got=PanicException("secret")).read_object(FOUND))
    assert caught.value.blame == "store"


_DENIED = "Generic X error: Server returned non-2xx status code: 403 Forbidden: <Code>AccessDenied</Code>"


@pytest.mark.parametrize(
    ("listed", "codes"),
    [
        ([], ["200"]),
        ([[meta()]], ["200"]),
        ([[meta()], [meta("b")]], ["200", "200"]),
        ([[meta()], OSError(_DENIED)], ["200", "403"]),
        ([OSError("Generic X error: error sending request")], ["error"]),
        ([OSError("kind: Timeout")], ["timeout"]),
        ([PanicException("secret")], ["error"]),
    ],
)
def test_each_page_is_told(listed: list[Any], codes: list[str]) -> None:
    """The end of a listing is no request of its own, unless nothing is listed."""
    told: list[str] = []
    with suppress(PollError):
        list(cloud(told, listed=listed).list_objects())
    assert told == codes


@pytest.mark.parametrize(
    ("got", "code"),
    [
        (Answer('"x"'), "200"),
        (Answer('"another"'), "200"),
        (FileNotFoundError("Object at location a not found"), "404"),
        (OSError(_DENIED), "403"),
        (PanicException("secret"), "error"),
    ],
)
def test_each_read_is_told(got: object, code: str) -> None:
    """By what came of it."""
    told: list[str] = []
    with suppress(ObjectMovedError, ObjectUnreadableError):
        list(cloud(told, got=got).read_object(FOUND))
    assert told == [code]


def test_a_read_that_is_not_wanted_any_more_is_told() -> None:
    """As what it was until then."""
    told: list[str] = []
    pieces = cloud(told, got=Answer('"x"')).read_object(FOUND)
    assert next(pieces) == b"["
    pieces.close()
    assert told == ["200"]


def test_a_large_page_is_handed_on_in_parts() -> None:
    """Azure lists five thousand at once; whoever looks them up holds others up meanwhile."""
    page = [meta(f"{number}") for number in range(2500)]
    assert [len(part.objects) for part in cloud(listed=[page]).list_objects()] == [1000, 1000, 500]


def test_what_asks_the_process_to_stop_passes() -> None:
    """A poll is no place to hold it up."""
    with pytest.raises(KeyboardInterrupt):
        list(cloud(listed=[KeyboardInterrupt()]).list_objects())
    with pytest.raises(KeyboardInterrupt):
        list(cloud(got=KeyboardInterrupt()).read_object(FOUND))


def test_a_listing_that_goes_in_a_circle() -> None:
    """It would never end: the library follows wherever a store leads it."""
    pages = cloud(listed=[[meta("a"), meta("b")], [], [meta("c")], [], [meta("a"), meta("b")]]).list_objects()
    assert [[each.address for each in next(pages).objects] for _ in range(3)] == [["a", "b"], ["c"], ["a", "b"]]
    with pytest.raises(PollError, match="az://c: the listing goes in a circle, back to 'a'") as caught:
        next(pages)
    assert caught.value.reason == "malformed"


def test_a_store_that_takes_offsets_for_hints() -> None:
    """The listing after the odd key fails like the one before; it is told once."""
    odd = InvalidPathError('Encountered object with invalid path: Path "a//b" contained empty path segment')
    listing = list(cloud(listed=[[meta()], odd], below=odd).list_objects())
    assert [found.identity.name for page in listing for found in page.objects] == ["az://c/a", "az://c/a"]
    assert len([problem for page in listing for problem in page.problems]) == 1


_METADATA = "Error performing PUT http://169.254.169.254/latest/api/token"
_UNSENT = "HTTP error: error sending request"
_NO_CREDENTIALS = "no credentials were found: "


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        (
            f"Generic S3 error: {_METADATA} in 860.735µs - Server returned non-2xx status code: 403 Forbidden: denied",
            StoreTrouble("unauthorized", "store", "error", f"{_NO_CREDENTIALS}their service answered 403 Forbidden"),
        ),
        (
            f"Generic S3 error: {_METADATA} in 8.5µs, after 3 retries, max_retries: 3, retry_timeout: 15s  - {_UNSENT}",
            StoreTrouble("unauthorized", "store", "error", f"{_NO_CREDENTIALS}{_METADATA} - {_UNSENT}"),
        ),
        (
            f"Generic S3 error: Error performing GET https://h/b?sig=s3cret in 1.5s - {_UNSENT}",
            StoreTrouble("unreachable", "store", "error", f"Error performing GET https://h/b?<secret> - {_UNSENT}"),
        ),
        ("Generic X error: \x1b[2J", StoreTrouble("unreachable", "object", "error", r"'\x1b[2J'")),
        ("y" * 500, StoreTrouble("unreachable", "object", "error", "y" * 199 + "\N{HORIZONTAL ELLIPSIS}")),
        ("status code: 418 I'm a teapot", StoreTrouble("http_status", "object", "418", "418 I'm a teapot")),
        ("status code: 408", StoreTrouble("http_status", "store", "408", "408")),
        (
            "status code: 403 Forbidden: <Error><Code>AuthenticationFailed</Code>",
            StoreTrouble("unauthorized", "store", "403", "403 Forbidden (AuthenticationFailed)"),
        ),
        (
            "status code: 403 Forbidden: <Error><Code>AccessDenied</Code>",
            StoreTrouble("permission", "permission", "403", "403 Forbidden (AccessDenied)"),
        ),
        (
            "Generic GCS error: Header: Content-Length Header missing from response",
            StoreTrouble("malformed", "object", "200", "Header: Content-Length Header missing from response"),
        ),
    ],
)
def test_errors_are_understood(text: str, trouble: StoreTrouble) -> None:
    """One line of bounded length, the same each time, without what is secret."""
    assert understand(OSError(f"{text}\n\nDebug source:\nsecret")) == trouble
