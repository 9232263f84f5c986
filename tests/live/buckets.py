"""A real object store for tests: moto's server, which speaks S3, and so much of Google's XML API as the tests need."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE = 60.0
#: Not checked by the server, which only wants to be told who asks.
_AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=test"
)


class BucketServer:
    """A running server; its buckets hold exactly the keys that they are given, odd ones too."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(timeout=_PATIENCE, trust_env=False, headers={"Authorization": _AUTHORIZATION})

    def make(self, bucket: str) -> None:
        """Makes a bucket."""
        self._client.put(f"{self.url}/{bucket}").raise_for_status()

    def put(self, bucket: str, key: str, raw: bytes) -> None:
        """Writes an object."""
        self._client.put(f"{self.url}/{bucket}/{quote(key)}", content=raw).raise_for_status()

    def delete(self, bucket: str, key: str) -> None:
        """Removes an object."""
        self._client.delete(f"{self.url}/{bucket}/{quote(key)}").raise_for_status()

    def close(self) -> None:
        """Closes the connections to it."""
        self._client.close()


@contextmanager
def running_bucket_server() -> Iterator[BucketServer]:
    """Starts the server on a port that the system chooses."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            with closing(BucketServer(_address(process))) as server:
                yield server
        finally:
            process.kill()


def _address(process: subprocess.Popen[str]) -> str:
    said = []
    assert process.stderr is not None
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"Running on (http://127\.0\.0\.1:\d+)", line):
            # It logs each request; nobody reads that, and a full pipe would stop it.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return found[1]
    raise AssertionError("".join(said))
