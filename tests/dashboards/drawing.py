"""Draws dashboards in Chromium with Grafana's own packages (`tests/dashboards/render`), and tells what was drawn."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from msgspec import Struct

from tests.dashboards.boards import FOLDER
from tests.dashboards.grafana import Json
from tests.oracle.prometheus import leave_out, require_tool

if TYPE_CHECKING:
    from collections.abc import Iterable

_ROOT: Final = Path(__file__).parent.parent.parent
_DRAW: Final = Path(__file__).parent / "render" / "draw.mjs"
_PAGE: Final = _ROOT / "build" / "render"
_WIDTH: Final = 1600
_PATIENCE: Final = 300.0


class Page(Struct, frozen=True, kw_only=True):
    """A board as it is to be drawn."""

    board: str
    #: What its picture is called, with the theme.
    name: str
    #: `dark` or `light`.
    theme: str
    #: Unix seconds.
    start: float
    end: float
    #: The chosen values by variable; what is missing is as the board has it.
    choices: dict[str, str] = {}


class Drawn(Struct, frozen=True, kw_only=True):
    """A board as it was drawn."""

    page: Page
    #: What went wrong in the browser.
    errors: list[str]
    #: What each panel had.
    panels: list[Json]


def draw(prometheus: str, pages: Iterable[Page], pictures: Path) -> list[Drawn]:
    """Draws the pages, one after another, and keeps a picture of each: `NAME-THEME.png`.

    Args:
        prometheus: the address of the Prometheus that has the data.
        pages: what to draw.
        pictures: the folder of the pictures.

    Raises:
        AssertionError: the drawing itself did not work.
    """
    browser, node = require_tool("chromium"), require_tool("node")
    pictures.mkdir(parents=True, exist_ok=True)
    pages = list(pages)
    job: dict[str, Any] = {
        "browser": browser,
        "width": _WIDTH,
        "boards": {f"{page.board}.json": str(FOLDER / f"{page.board}.json") for page in pages},
        "pages": [
            {
                "board": f"{page.board}.json",
                "query": _query(prometheus, page),
                "picture": str(pictures / f"{page.name}-{page.theme}.png"),
            }
            for page in pages
        ],
    }
    done = subprocess.run(
        [node, str(_DRAW), str(_PAGE)],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    told = map(json.loads, done.stdout.splitlines())
    return [
        Drawn(page=page, errors=each["errors"], panels=each["panels"]) for page, each in zip(pages, told, strict=True)
    ]


def require_drawing() -> None:
    """Skips the test where boards cannot be drawn, as `require_tool` does; in CI it fails."""
    for tool in ("prometheus", "chromium", "node"):
        require_tool(tool)
    if not (_PAGE / "index.html").is_file():
        leave_out("the page that draws is not built: `make render` does it, where npm is")


def _query(prometheus: str, page: Page) -> str:
    moments = {"from": round(page.start * 1000), "to": round(page.end * 1000)}
    chosen = {f"var-{name}": value for name, value in page.choices.items()}
    return urlencode({"prometheus": prometheus, "theme": page.theme, **moments, **chosen})
