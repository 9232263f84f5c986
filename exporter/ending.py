"""The end of the process."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn

#: Its threads let go of what they hold of Python's some time after the last answer. Where the interpreter is being
#: taken down by then, that aborts the process (https://github.com/PyO3/pyo3-async-runtimes/issues/40).
_CRASHES_AT_THE_END = "obstore"


def end_process(code: int) -> NoReturn:
    """Ends the process with an exit code; everything that is worth it was closed before."""
    if _CRASHES_AT_THE_END in sys.modules:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            # Whoever reads it may be gone, and a stream closed.
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    sys.exit(code)
