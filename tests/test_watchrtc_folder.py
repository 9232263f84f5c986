"""A local folder with data-stream files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.sources.base import ObjectIdentity, PollError
from exporter.sources.watchrtc.folder import FolderStore
from exporter.sources.watchrtc.stores import ObjectMovedError, ObjectUnreadableError, StoredObject

if TYPE_CHECKING:
    from collections.abc import Callable

MTIME_NS = 1_772_366_400_123_456_789


def put(path: Path, raw: bytes = b"[]") -> Path:
    """Writes a file, with its folders, that was last changed at `MTIME_NS`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    os.utime(path, ns=(MTIME_NS, MTIME_NS))
    return path


def objects(store: FolderStore) -> list[StoredObject]:
    """All objects that are listed."""
    return [found for part in store.list_objects() for found in part.objects]


def names(folder: Path) -> list[str]:
    """Of the objects that are listed."""
    return [found.identity.name for found in objects(FolderStore(folder))]


def only(folder: Path) -> StoredObject:
    """The only object that is listed."""
    (found,) = objects(FolderStore(folder))
    return found


def fail_for(monkeypatch: pytest.MonkeyPatch, path: Path, error: OSError) -> None:
    """Makes opening or listing of a path fail, also for root, whom permissions do not stop."""

    def failing(original: Callable[..., object]) -> Callable[..., object]:
        def call(target: object, *args: object, **kwargs: object) -> object:
            if Path(os.fsdecode(str(target))) == path:
                raise error
            return original(target, *args, **kwargs)

        return call

    monkeypatch.setattr(os, "scandir", failing(os.scandir))
    monkeypatch.setattr(Path, "open", failing(Path.open))


def test_files_are_found_at_any_depth(tmp_path: Path) -> None:
    """With their names relative to the folder, in their order."""
    for name in ("b.json", "a/z.json", "a/2026/03/x.json.gz", "c"):
        put(tmp_path / name)
    assert names(tmp_path) == ["b.json", "c", "a/z.json", "a/2026/03/x.json.gz"]


def test_what_identifies_a_version(tmp_path: Path) -> None:
    """Its name, its time to the nanosecond and its size."""
    put(tmp_path / "a" / "x.json", b"[1]")
    found = only(tmp_path)
    assert found.identity == ObjectIdentity("a/x.json", f"{MTIME_NS}-3")
    assert found.size == 3
    assert found.modified == pytest.approx(1_772_366_400.123, abs=0.001)


def test_hidden_and_unfinished_files_are_left(tmp_path: Path) -> None:
    """Whoever writes a file renames it when it is whole; and folders of that kind hold such files."""
    for name in (".x.json", "x.json.tmp", "x.json.part", "x.json~", ".snapshot/x.json", "up.tmp/x.json"):
        put(tmp_path / name)
    put(tmp_path / "tmp.json")
    assert names(tmp_path) == ["tmp.json"]


def test_links_are_followed_once(tmp_path: Path) -> None:
    """A loop ends, a link to nowhere is nothing, a folder with two names is read once."""
    put(tmp_path / "in" / "a" / "x.json")
    put(tmp_path / "out" / "y.json")
    folder = tmp_path / "in"
    (folder / "loop").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    (folder / "nowhere").symlink_to(tmp_path / "absent")
    (folder / "b").symlink_to(tmp_path / "out")
    (folder / "c").symlink_to(tmp_path / "out")
    (folder / "file").symlink_to(tmp_path / "out" / "y.json")
    assert names(folder) == ["file", "a/x.json", "b/y.json"]


def test_what_is_no_regular_file_is_left(tmp_path: Path) -> None:
    """Opening a pipe would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    assert names(tmp_path) == []


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    """It is text that any ledger can store, distinct, and the file can be read."""
    for name in (b"a\xff.json", b"a\xfe.json", "ü\n.json".encode()):
        put(Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))), name)  # noqa: PTH118 - Path takes no bytes
    store = FolderStore(tmp_path)
    found = objects(store)
    assert sorted(each.identity.name for each in found) == ["a\\xfe.json", "a\\xff.json", "ü\n.json"]
    assert sorted(b"".join(store.read_object(each)) for each in found) == sorted(
        [b"a\xff.json", b"a\xfe.json", "ü\n.json".encode()]
    )


@pytest.mark.parametrize("name", ["absent", "file"])
def test_a_folder_that_is_none(tmp_path: Path, name: str) -> None:
    """The poll fails as a whole, and says which folder was expected."""
    put(tmp_path / "file")
    with pytest.raises(PollError, match=f"{name}: expected a folder") as caught:
        objects(FolderStore(tmp_path / name))
    assert caught.value.reason == "not_found"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PermissionError(13, "no way"), "permission"),
        (FileNotFoundError(2, "no way"), "not_found"),
        (OSError(5, "no way"), "unreachable"),
    ],
)
def test_a_folder_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, reason: str
) -> None:
    """With the reason that the runner counts."""
    fail_for(monkeypatch, tmp_path, error)
    with pytest.raises(PollError, match="no way") as caught:
        objects(FolderStore(tmp_path))
    assert caught.value.reason == reason


def test_a_folder_below_that_cannot_be_read_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can be read is listed, and the trouble is told."""
    put(tmp_path / "a" / "x.json")
    put(tmp_path / "b" / "y.json")
    fail_for(monkeypatch, tmp_path / "a", PermissionError(13, "no way"))
    listing = list(FolderStore(tmp_path).list_objects())
    assert [found.identity.name for part in listing for found in part.objects] == ["b/y.json"]
    assert [problem for part in listing for problem in part.problems] == [f"{tmp_path / 'a'}: no way"]


def test_a_large_folder_is_listed_in_parts(tmp_path: Path) -> None:
    """So that what is done with each part needs memory for that part only."""
    for number in range(1001):
        (tmp_path / f"{number:04}").touch()
    assert [len(part.objects) for part in FolderStore(tmp_path).list_objects()] == [1000, 1]


def test_a_file_is_read_in_pieces(tmp_path: Path) -> None:
    """So that its size does not matter."""
    raw = bytes(range(256)) * 10_000
    put(tmp_path / "x.json", raw)
    pieces = list(FolderStore(tmp_path).read_object(only(tmp_path)))
    assert b"".join(pieces) == raw
    assert [len(piece) for piece in pieces] == [1 << 20, 1 << 20, len(raw) - (2 << 20)]


def test_a_file_that_vanished_or_changed_is_not_read(tmp_path: Path) -> None:
    """The next listing tells what is there."""
    path = put(tmp_path / "x.json")
    found = only(tmp_path)
    path.write_bytes(b"[1]")
    with pytest.raises(ObjectMovedError):
        next(FolderStore(tmp_path).read_object(found))
    path.unlink()
    with pytest.raises(ObjectMovedError):
        next(FolderStore(tmp_path).read_object(found))


def test_a_file_that_grows_while_it_is_read_is_not_whole(tmp_path: Path) -> None:
    """What was read is told apart from the end of the file."""
    path = put(tmp_path / "x.json", b"[")
    pieces = FolderStore(tmp_path).read_object(only(tmp_path))
    assert next(pieces) == b"["
    path.write_bytes(b"[1")
    with pytest.raises(ObjectMovedError):
        list(pieces)


def test_a_file_that_is_replaced_while_it_is_read_is_whole(tmp_path: Path) -> None:
    """A rename leaves the old version to whoever has it open; the new one has another identity."""
    path = put(tmp_path / "x.json", b"[1]")
    pieces = FolderStore(tmp_path).read_object(only(tmp_path))
    assert next(pieces) == b"[1]"
    put(tmp_path / "new", b"[1, 2]").replace(path)
    assert list(pieces) == []


@pytest.mark.parametrize(
    ("error", "blame", "told"),
    [
        (PermissionError(13, "no way"), "permission", "no way"),
        (OSError(5, "no way"), "object", "no way"),
        (PermissionError("x"), "permission", "not allowed"),
        (OSError("x"), "object", "OSError"),
    ],
)
def test_a_file_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, blame: str, told: str
) -> None:
    """The reason is told, and whether other files may be as bad."""
    path = put(tmp_path / "x.json")
    found = only(tmp_path)
    fail_for(monkeypatch, path, error)
    with pytest.raises(ObjectUnreadableError, match=told) as caught:
        next(FolderStore(tmp_path).read_object(found))
    assert caught.value.blame == blame
