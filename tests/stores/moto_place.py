"""Buckets of moto's server: S3, and Google Cloud Storage as its XML API shows it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import boto3  # type: ignore[import-untyped] # it ships no types
import httpx

from tests.stores.moto_server import GOOGLE_TOKEN
from tests.stores.place import Asked

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind: TypeAlias = Literal["s3", "google"]

_PATIENCE = 120.0
_NUMBERS = count()


class MotoServer:
    """A running server."""

    def __init__(self, kind: Kind, hello: dict[str, Any]) -> None:
        self.kind = kind
        self.url: str = hello["url"]
        #: Access key id and secret of each user.
        self.owner: tuple[str, str] = hello["owner"]
        self.lister: tuple[str, str] = hello["lister"]
        key_id, secret = self.owner
        self.client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
        )
        self.http = httpx.Client(base_url=self.url, timeout=_PATIENCE, trust_env=False)


@contextmanager
def running_moto(kind: Kind) -> Iterator[MotoServer]:
    """Starts the server on a port that the system chooses."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.stores.moto_server", kind]
    # Its coverage is nobody's, and costs time.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            server = MotoServer(kind, json.loads(process.stdout.readline()))
            yield server
            server.http.close()
            server.client.close()
        finally:
            process.kill()


class MotoPlace:
    """The folder `streams` of a bucket of its own."""

    page = 1000
    absent = "not_found"
    odd_keys = ("odd//empty.json", "odd/z\x01.json")

    def __init__(self, server: MotoServer) -> None:
        self.server = server
        self.bucket = f"bucket{next(_NUMBERS)}"
        self._client = server.client
        self._client.create_bucket(Bucket=self.bucket)
        if server.kind == "google":
            self.options = {"base_url": server.url, "bearer_token": GOOGLE_TOKEN}
        else:
            self.options = self.options_of(server.owner)
        scheme = "gs" if server.kind == "google" else "s3"
        self.settings: dict[str, object] = {
            "url": f"{scheme}://{self.bucket}/streams",
            "storage_options": self.options,
        }

    def options_of(self, user: tuple[str, str]) -> dict[str, str]:
        """`storage_options` with the access key of a user."""
        key_id, secret = user
        return {
            "endpoint": self.server.url,
            "access_key_id": key_id,
            "secret_access_key": secret,
            "region": "us-east-1",
        }

    def put(self, key: str, raw: bytes, encoding: str = "") -> None:
        """Writes an object."""
        told = {"ContentEncoding": encoding} if encoding else {}
        self._client.put_object(Bucket=self.bucket, Key=f"streams/{key}", Body=raw, **told)

    def put_beside(self, key: str, raw: bytes) -> None:
        """Writes an object to another folder of the bucket."""
        self._client.put_object(Bucket=self.bucket, Key=f"streams-old/{key}", Body=raw)

    def delete(self, key: str) -> None:
        """Removes an object."""
        self._client.delete_object(Bucket=self.bucket, Key=f"streams/{key}")

    def copy(self, key: str, to: str) -> None:
        """Copies an object."""
        self._client.copy_object(
            Bucket=self.bucket, Key=f"streams/{to}", CopySource={"Bucket": self.bucket, "Key": f"streams/{key}"}
        )

    @contextmanager
    def uploading(self, key: str, raw: bytes) -> Iterator[None]:
        """A multipart upload."""
        at = {"Bucket": self.bucket, "Key": f"streams/{key}"}
        upload = {**at, "UploadId": self._client.create_multipart_upload(**at)["UploadId"]}
        part = self._client.upload_part(**upload, PartNumber=1, Body=raw)
        yield
        parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
        self._client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})

    def mark_folder(self, key: str) -> None:
        """Makes the empty object that stands for a folder."""
        self.put(f"{key}/", b"")

    def fill(self, count: int) -> str:
        """Has the server make them."""
        query = {"bucket": self.bucket, "prefix": "streams/", "count": str(count)}
        self.server.http.post("/-fill", params=query).raise_for_status()
        # The MD5 digest of the two bytes, and how many they are.
        return "d751713988987e9331980363e24189ce-2"

    def name(self, key: str) -> str:
        """Its URL."""
        return f"{self.settings['url']}/{key}"

    def asked(self) -> Asked:
        """As the server counted the library's requests."""
        counted = self.server.http.get("/-asked").raise_for_status().json()
        return Asked(counted.get("listings", 0), counted.get("reads", 0))
