"""A process ends with its exit code, whatever libraries it has used."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

#: What runs when the interpreter is taken down; there the object-store library's threads would abort the process.
_TAKEN_DOWN = "import atexit, os, sys; atexit.register(os.abort); print('said', end='')"


def _ended(*lines: str) -> subprocess.CompletedProcess[str]:
    code = "\n".join((_TAKEN_DOWN, *lines))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("code", [0, 1])
def test_with_the_object_store_library(code: int) -> None:
    """The interpreter is not taken down; what was written is there."""
    ended = _ended("import obstore", "from exporter.ending import end_process", f"end_process({code})")
    assert (ended.returncode, ended.stdout) == (code, "said")


def test_without_it() -> None:
    """As ever: what else is done at the end is done."""
    ended = _ended("from exporter.ending import end_process", "end_process(0)")
    assert ended.returncode == -signal.SIGABRT


def test_whoever_read_it_may_be_gone() -> None:
    """That is no reason for another exit code."""
    ended = _ended(
        "import obstore",
        "from exporter.ending import end_process",
        "reader, writer = os.pipe()",
        "os.dup2(writer, 1)",
        "os.close(writer), os.close(reader)",
        "end_process(3)",
    )
    assert ended.returncode == 3
