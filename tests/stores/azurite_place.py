"""Containers of Azurite, Microsoft's emulator of Azure Blob Storage."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import signal
import subprocess
import threading
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import httpx

from tests.oracle.prometheus import leave_out, require_tool
from tests.stores.place import Asked

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE = 120.0
_NUMBERS = count()
_ACCOUNT = "account"
_MAIN = Path(__file__).parent / "emulators" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
#: Where Azurite keeps what it knows of blobs.
_DATABASE = "__azurite_db_blob__.json"


class Azurite:
    """A running server. It checks signatures; the key is its own."""

    def __init__(self, folder: Path) -> None:
        self.key = base64.b64encode(secrets.token_bytes(64)).decode()
        self._folder = folder
        self._access = _account_access(self.key)
        self._listings = self._reads = 0
        self._start()

    def put(self, path: str, raw: bytes = b"", query: str = "", **headers: str) -> None:
        """One request that writes; header names are written with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self._client.put(self._address(path, query), content=raw, headers=named)
        answer.raise_for_status()

    def delete(self, path: str) -> None:
        """Removes a blob."""
        self._client.delete(self._address(path, "")).raise_for_status()

    def tag(self, path: str) -> str:
        """The ETag of a blob, without its quotes."""
        answer = self._client.head(self._address(path, "")).raise_for_status()
        return answer.headers["ETag"].strip('"')

    def address(self, path: str) -> str:
        """Where a blob can be had by whoever knows the address."""
        return f"{self.url}{self._address(path, '')}"

    def asked(self) -> Asked:
        """What was asked since the last call; nobody but the exporter reads."""
        # The line about a request comes after its answer: a request of our own is waited for.
        self._mark.clear()
        self._client.head(self._address("mark", ""))
        assert self._mark.wait(_PATIENCE)
        asked, self._listings, self._reads = Asked(self._listings, self._reads), 0, 0
        return asked

    def multiply(self, container: str, name: str, names: list[str]) -> None:
        """Gives a blob's bytes to many names: between two runs, in the server's own file."""
        self.stop()
        path = self._folder / _DATABASE
        database = json.loads(path.read_bytes())
        (blobs,) = (each for each in database["collections"] if each["name"] == "$BLOBS_COLLECTION$")
        (one,) = (blob for blob in blobs["data"] if (blob["containerName"], blob["name"]) == (container, name))
        others = [blob for blob in blobs["data"] if blob is not one]
        blobs["data"] = others + [
            {**one, "name": other, "$loki": blobs["maxId"] + number} for number, other in enumerate(names, start=1)
        ]
        blobs["maxId"] += len(names)
        # Made anew from the data.
        blobs["idIndex"] = None
        blobs["binaryIndices"] = {}
        path.write_text(json.dumps(database))
        self._start()

    def stop(self) -> None:
        """Ends the server, with all it knows on disk."""
        self._client.close()
        self._process.send_signal(signal.SIGINT)
        self._process.wait(_PATIENCE)
        self._log.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _start(self) -> None:
        command = ["node", str(_MAIN), "--blobHost", "127.0.0.1", "--blobPort", "0", "--location", str(self._folder)]
        self._process = subprocess.Popen(
            [*command, "--skipApiVersionCheck", "--disableTelemetry"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "AZURITE_ACCOUNTS": f"{_ACCOUNT}:{self.key}"},
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if found := re.search(r"successfully listens on (http://\S+)", line):
                break
        assert found
        self.url = found[1]
        self._client = httpx.Client(base_url=self.url, timeout=_PATIENCE, trust_env=False)
        self._mark = threading.Event()
        self._log = threading.Thread(target=self._read_log, args=(self._process,))
        self._log.start()

    def _read_log(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if '"GET ' in line:
                if "comp=list" in line:
                    self._listings += 1
                else:
                    self._reads += 1
            elif '"HEAD ' in line:
                self._mark.set()

    def _address(self, path: str, query: str) -> str:
        return f"/{_ACCOUNT}/{quote(path)}?{query}&{self._access}"


def _account_access(key: str) -> str:
    """A shared access signature for all of the account: learn.microsoft.com, "Create an account SAS"."""
    version, may = "2021-12-02", {"sp": "rwdlac", "ss": "b", "srt": "sco", "se": "2100-01-01T00:00:00Z"}
    lines = [_ACCOUNT, may["sp"], may["ss"], may["srt"], "", may["se"], "", "", version, "", ""]
    signature = hmac.new(base64.b64decode(key), "\n".join(lines).encode(), hashlib.sha256).digest()
    return urlencode({"sv": version, **may, "sig": base64.b64encode(signature).decode()})


@contextmanager
def running_azurite(folder: Path) -> Iterator[Azurite]:
    """Starts the server on a port that the system chooses; it keeps its files in a folder."""
    require_tool("node")
    if not _MAIN.exists():
        leave_out("Azurite is not installed: `make emulators` does it, where npm is")
    server = Azurite(folder)
    try:
        yield server
    finally:
        server.stop()


class AzuritePlace:
    """The folder `streams` of a container of its own."""

    page = 5000
    absent = "not_found"
    #: A key with a control character Azurite takes, and answers no listing any more.
    odd_keys = ("odd//empty.json",)

    def __init__(self, server: Azurite) -> None:
        self.server = server
        self.container = f"container{next(_NUMBERS)}"
        server.put(self.container, query="restype=container")
        options = {"account_name": _ACCOUNT, "account_key": server.key, "endpoint": f"{server.url}/{_ACCOUNT}"}
        self.settings: dict[str, object] = {"url": f"az://{self.container}/streams", "storage_options": options}

    def put(self, key: str, raw: bytes, encoding: str = "") -> None:
        """Writes a blob."""
        told = {"x_ms_blob_content_encoding": encoding} if encoding else {}
        self.server.put(self._path(key), raw, x_ms_blob_type="BlockBlob", **told)

    def put_beside(self, key: str, raw: bytes) -> None:
        """Writes a blob to another folder of the container."""
        self.server.put(f"{self.container}/streams-old/{key}", raw, x_ms_blob_type="BlockBlob")

    def delete(self, key: str) -> None:
        """Removes a blob."""
        self.server.delete(self._path(key))

    def copy(self, key: str, to: str) -> None:
        """Copies a blob."""
        self.server.put(self._path(to), x_ms_copy_source=self.server.address(self._path(key)))
        # Azurite reads the source over HTTP, from itself; that is nobody's request.
        self.server.asked()

    @contextmanager
    def uploading(self, key: str, raw: bytes) -> Iterator[None]:
        """Blocks, and then the list of them."""
        block = base64.b64encode(b"one").decode()
        self.server.put(self._path(key), raw, f"comp=block&blockid={quote(block)}")
        yield
        listed = f"<BlockList><Latest>{block}</Latest></BlockList>"
        self.server.put(self._path(key), listed.encode(), "comp=blocklist")

    def mark_folder(self, key: str) -> None:
        """Makes the empty blob that stands for a folder."""
        self.put(f"{key}/", b"")

    def fill(self, count: int) -> str:
        """One blob, multiplied."""
        self.put("one", b"[]")
        tag = self.server.tag(self._path("one"))
        self.server.multiply(self.container, "streams/one", [f"streams/{number:06}.json" for number in range(count)])
        options = self.settings["storage_options"]
        assert isinstance(options, dict)
        options["endpoint"] = f"{self.server.url}/{_ACCOUNT}"
        return f"{tag}-2"

    def name(self, key: str) -> str:
        """Its URL."""
        return f"{self.settings['url']}/{key}"

    def asked(self) -> Asked:
        """As the server logged them."""
        return self.server.asked()

    def _path(self, key: str) -> str:
        return f"{self.container}/streams/{key}"
