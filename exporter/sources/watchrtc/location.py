"""Where data streams lie, as the configuration's `url` says it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import unquote, urlsplit

from msgspec import Struct

Scheme: TypeAlias = Literal["s3", "gs", "az"]

#: The object stores, by the scheme of their URLs.
STORES: dict[str, Scheme] = {"s3": "s3", "gs": "gs", "az": "az"}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_BUCKET = re.compile(r"[A-Za-z0-9._-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Bucket(Struct, frozen=True):
    """A bucket (Azure: a container), or one folder of it."""

    scheme: Scheme
    name: str
    #: Empty for all of it; without slashes at its ends. Taken as it stands: a key may hold `%`, `?` and `#`.
    prefix: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.name}/{self.prefix}".rstrip("/")


def local_folder(url: str) -> Path:
    """The folder that a path or `file://` URL names; `location_problem` has found nothing wrong with it."""
    return Path(unquote(urlsplit(url).path) if _SCHEME.match(url) else url)


def cloud_bucket(url: str) -> Bucket | None:
    """The bucket that a URL names, if it names one; `location_problem` has found nothing wrong with it."""
    scheme = _SCHEME.match(url)
    if scheme is None or scheme[1].lower() not in STORES:
        return None
    name, _, prefix = url[scheme.end() :].partition("/")
    return Bucket(STORES[scheme[1].lower()], name, prefix.removesuffix("/"))


def location_problem(url: str) -> str | None:
    """What is wrong with a URL and was expected; None where nothing is."""
    if not url.strip():
        return "expected a local folder or the URL of a bucket, got an empty text"
    scheme = _SCHEME.match(url)
    if scheme is None:
        return None
    if bucket := cloud_bucket(url):
        return _bucket_problem(bucket)
    if scheme[1].lower() != "file":
        return f"expected s3://, gs://, az://, file:// or a path, got {scheme[1]}://"
    host, _, path = url[scheme.end() :].partition("/")
    if host not in {"", "localhost"} or not path:
        return "expected the absolute path of a folder on this machine, as in file:///var/lib/watchrtc"
    return None


def _bucket_problem(bucket: Bucket) -> str | None:
    what = "container" if bucket.scheme == "az" else "bucket"
    if _BUCKET.fullmatch(bucket.name) is None:
        return f"expected the name of a {what}, as in {bucket.scheme}://{what}/folder"
    parts = bucket.prefix.split("/")
    if bucket.prefix and ({"", ".", ".."} & set(parts) or _CONTROL.search(bucket.prefix)):
        return f"expected a folder without empty or relative parts, as in {bucket.scheme}://{what}/folder/below"
    return None
