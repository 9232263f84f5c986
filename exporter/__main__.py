"""`python -m exporter` is the same program as `webrtc-quality-exporter`."""

from __future__ import annotations

from typing import NoReturn

from exporter.cli import main
from exporter.ending import end_process


def run() -> NoReturn:
    """Runs the program, and ends the process with its exit code."""
    end_process(main())


if __name__ == "__main__":
    run()
