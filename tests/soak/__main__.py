"""Kills the real process hundreds of times: `python -m tests.soak --kills 500`."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.live.crashes import crash_again_and_again


def main() -> int:
    """Runs it and tells what was found; 0 when nothing was."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__, allow_abbrev=False)
    parser.add_argument("--kills", metavar="N", type=int, default=500, help="how often (default: 500)")
    parser.add_argument(
        "--minutes", metavar="N", type=float, default=math.inf, help="no longer than so (default: no limit)"
    )
    parser.add_argument("--seed", metavar="N", type=int, default=1, help="another seed, other moments (default: 1)")
    wanted = parser.parse_args()
    with TemporaryDirectory(prefix="webrtc-quality-soak-") as folder:
        report = crash_again_and_again(
            Path(folder), kills=wanted.kills, seed=wanted.seed, seconds=wanted.minutes * 60.0, say=_say
        )
    moments = ", ".join(f"{number} {moment}" for moment, number in report.moments.most_common())
    _say(f"{report.kills} kills ({moments}) in {report.seconds:.0f} s; {report.series} series never fell")
    _say(f"{report.pages} pages, {report.posts} posts: {dict(report.answers)}")
    for finding in report.findings:
        _say(f"WRONG: {finding}")
    return 1 if report.findings else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


sys.exit(main())
