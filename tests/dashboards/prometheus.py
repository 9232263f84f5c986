"""A real Prometheus with given samples, for as long as a test needs it."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.error import URLError
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_START_SECONDS: Final = 30.0


@contextmanager
def prometheus_with(samples: str, folder: Path) -> Iterator[str]:
    """Serves the samples, given as OpenMetrics with timestamps, and yields the address.

    Raises:
        TimeoutError: it did not start.
    """
    source, data, configuration = folder / "samples.om", folder / "data", folder / "prometheus.yml"
    source.write_text(samples, encoding="utf-8")
    configuration.write_text("global: {}\n", encoding="utf-8")
    blocks = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet", str(source), str(data)]
    subprocess.run(blocks, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    flags = [
        f"--config.file={configuration}",
        f"--storage.tsdb.path={data}",
        # The samples are years old, and would else be gone at the first compaction.
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address={address}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(["prometheus", *flags], stdout=log, stderr=log)
        try:
            _wait(f"http://{address}")
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait()


def _wait(base_url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urlopen(f"{base_url}/-/ready", timeout=5):  # noqa: S310 - the process started above
                return
        except (URLError, ConnectionError):
            time.sleep(0.1)
    msg = f"Prometheus at {base_url} is not ready"
    raise TimeoutError(msg)
